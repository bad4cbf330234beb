// The keyboard. While the editor has the focus no key leaks to ComfyUI, but for run, save and a last Escape.

import { removed } from '../core/edits.mjs';
import { t } from '../i18n/texts.mjs';

/** @typedef {import('../editor.mjs').Editor} Editor */
/** @typedef {(editor: Editor, event: KeyboardEvent) => any} Command */

/** @param {Editor} editor @param {number} by */
const step = (editor, by) => editor.seek(Math.round(editor.model.frame) + by);

/** @param {number} dx @param {number} dy @returns {Command} */
const arrow = (dx, dy) => (editor, event) => {
  const { model } = editor;
  const far = event.shiftKey ? 10 : 1;
  if (!model.selection.size) return dx && step(editor, dx * far);
  const by = /** @type {[number, number]} */ ([(dx * far) / model.space.w, (dy * far) / model.space.h]);
  editor.tool.nudge(model, by, `nudge ${[...model.selection]} ${model.frame}`);
};

/** @param {Editor} editor @param {'undo' | 'redo'} way */
function travel(editor, way) {
  const done = editor.model.travel(way);
  editor.say(t(done ? `said_${way}` : `said_no_${way}`));
}

/** @param {Editor} editor */
export function removeSelection(editor) {
  const { model } = editor;
  if (!model.selection.size) return;
  model.edit(removed(model.doc, model.selection));
  editor.say(t('said_removed'));
}

/** @type {Command} */
const remove = (editor, event) =>
  event.shiftKey ? editor.tool.removeKey(editor.model) : removeSelection(editor);

/** @param {Editor} editor @param {number} way */
function toKey(editor, way) {
  const { model, tool } = editor;
  const of = model.selected.length ? model.selected : model.entries;
  const frames = of.flatMap((entry) => tool.keys(entry, model.space)).sort((a, b) => way * (a - b));
  const next = frames.find((frame) => way * (frame - model.frame) > 0);
  if (next !== undefined) editor.seek(next);
}

/** @type {Record<string, Command>} */
const KEYS = {
  ArrowLeft: arrow(-1, 0),
  ArrowRight: arrow(1, 0),
  ArrowUp: arrow(0, -1),
  ArrowDown: arrow(0, 1),
  ',': (editor) => step(editor, -1),
  '.': (editor) => step(editor, 1),
  '<': (editor) => step(editor, -10),
  '>': (editor) => step(editor, 10),
  ';': (editor) => step(editor, -10),
  ':': (editor) => step(editor, 10),
  Home: (editor) => editor.seek(0),
  End: (editor) => editor.seek(editor.model.lastFrame),
  PageUp: (editor) => step(editor, -10),
  PageDown: (editor) => step(editor, 10),
  k: (editor, event) => toKey(editor, event.shiftKey ? -1 : 1),
  f: (editor) => editor.fit(),
  0: (editor) => editor.actualSize(),
  l: (editor) => editor.togglePanel(),
  s: (editor) => editor.siblings.next(),
  '?': (editor) => editor.toggleSheet(),
  Delete: remove,
  Backspace: remove,
  Enter: (editor) => editor.setFull(!editor.full),
};

/** @type {Record<string, Command>} */
const WITH_CTRL = {
  z: (editor, event) => travel(editor, event.shiftKey ? 'redo' : 'undo'),
  y: (editor) => travel(editor, 'redo'),
  d: (editor) => editor.duplicate(),
  a: (editor) => editor.model.select(editor.model.entries.map((entry) => entry.id)),
};

export class Keys {
  /** @param {Editor} editor @param {import('./pointers.mjs').Pointers} pointers */
  constructor(editor, pointers) {
    this.editor = editor;
    this.pointers = pointers;
    editor.root.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => this.down(e));
    editor.root.addEventListener('keyup', (/** @type {KeyboardEvent} */ e) => this.up(e));
  }

  /** @param {KeyboardEvent} event */
  down(event) {
    const ctrl = event.ctrlKey || event.metaKey;
    if (ctrl && (event.key === 'Enter' || event.key.toLowerCase() === 's')) return;
    if (event.key === 'Escape') return this.escape(event);
    event.stopPropagation();
    const field = /** @type {any} */ (event.target);
    if (/^(text|number|color)$/.test(field.type) && !field.readOnly) return this.inField(event);
    if (field.tagName === 'TEXTAREA' || event.key === 'Tab' || event.isComposing) return;
    if (field.type === 'radio' && event.key.startsWith('Arrow')) return;
    if (field.type === 'button' && (event.key === 'Enter' || event.key === ' ')) return;
    if (ctrl ? this.withCtrl(event) : this.plain(event)) event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  withCtrl(event) {
    const key = event.key.toLowerCase();
    if (!WITH_CTRL[key] || (/[zy]/.test(key) && this.editor.host.hostUndoes())) return false;
    WITH_CTRL[key](this.editor, event);
    return true;
  }

  /** @param {KeyboardEvent} event */
  plain(event) {
    const { editor } = this;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === ' ') return this.space(event);
    if (editor.model.editable && editor.tool.key(editor.model, event.key, editor)) return true;
    if (/^[1-9]$/.test(key)) return editor.chooseObject(Number(key) - 1);
    if (!KEYS[key]) return false;
    if (!event.repeat || /^Arrow|[,.<>;:]/.test(key)) KEYS[key](editor, event);
    return true;
  }

  /** Space plays on release, unless it was held for panning. @param {KeyboardEvent} event */
  space(event) {
    if (event.repeat) return true;
    this.pointers.spaceHeld = true;
    this.pointers.spaceUsed = false;
    this.editor.root.classList.add('choreo-grab');
    return true;
  }

  /** @param {KeyboardEvent} event */
  up(event) {
    if (event.key !== ' ' || !this.pointers.spaceHeld) return;
    this.pointers.spaceHeld = false;
    this.editor.root.classList.remove('choreo-grab');
    if (!this.pointers.spaceUsed) this.editor.togglePlay();
  }

  /** Enter and Escape leave a field for the timeline; the rest is typing. @param {KeyboardEvent} event */
  inField(event) {
    if (event.key === 'Enter') this.editor.focus();
  }

  /** Escape closes what is open, one thing a time; the last one is ComfyUI's. @param {KeyboardEvent} event */
  escape(event) {
    const { editor } = this;
    const typing = /** @type {any} */ (event.target) !== editor.timeline.input;
    if (editor.sheetOpen) editor.toggleSheet();
    else if (typing) editor.focus();
    else if (editor.model.before !== undefined) editor.model.cancel();
    else if (editor.model.object) editor.chooseObject(-1);
    else if (editor.model.selection.size) editor.model.select([]);
    else if (editor.full) editor.setFull(false);
    else return;
    event.stopPropagation();
    event.preventDefault();
  }
}
