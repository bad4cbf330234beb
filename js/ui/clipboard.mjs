// Copy, paste, duplicate and drop: objects as JSON between nodes, pictures and videos as the new source.

import { DrawingError } from '../core/check.mjs';
import { listOf, loadJson, write } from '../core/document.mjs';
import { pasted } from '../core/edits.mjs';
import { read } from '../core/kinds.mjs';
import { t } from '../i18n/texts.mjs';

const OFFSET = 0.02;

export class Clipboard {
  /** @param {import('../editor.mjs').Editor} editor */
  constructor(editor) {
    this.editor = editor;
    const { root } = editor;
    root.addEventListener('copy', (/** @type {ClipboardEvent} */ e) => this.copy(e));
    root.addEventListener('paste', (/** @type {ClipboardEvent} */ e) => this.paste(e));
    root.addEventListener('dragover', (/** @type {DragEvent} */ e) => this.over(e));
    root.addEventListener('drop', (/** @type {DragEvent} */ e) => this.drop(e));
  }

  /** The selection as a drawing of its own. */
  selection() {
    const { model } = this.editor;
    const used = new Set(model.selected.map((entry) => entry.o));
    const objects = model.objects.filter((o) => used.has(o.id));
    return { ...model.doc, objects, [listOf(model.kind)]: model.selected };
  }

  /** @param {ClipboardEvent} event */
  copy(event) {
    if (isTyping(event) || !this.editor.model.selection.size) return;
    event.clipboardData?.setData('text/plain', write(this.selection()));
    this.ours(event);
    this.editor.say(t('said_copied', { count: this.editor.model.selection.size }));
  }

  /** @param {ClipboardEvent} event */
  paste(event) {
    if (isTyping(event)) return;
    const file = event.clipboardData?.files?.[0];
    this.ours(event);
    if (file) return this.takeFile(file);
    const text = event.clipboardData?.getData('text/plain') ?? '';
    try {
      const other = this.editor.tool.adopt?.(loadJson(text));
      if (other) return this.insert(other, loadJson(text).objects ?? []);
      const doc = read(text, this.editor.model.kind);
      this.insert(doc[listOf(doc.choreo)], doc.objects ?? []);
    } catch (error) {
      if (!(error instanceof DrawingError)) throw error;
      this.editor.notices.say(error.message);
    }
  }

  duplicate() {
    const { model } = this.editor;
    if (model.selection.size) this.insert(model.selected, model.objects);
  }

  /** @param {any[]} entries @param {any[]} objects */
  insert(entries, objects) {
    const { model, tool } = this.editor;
    const [doc, ids] = pasted(model.doc, entries, objects, (entry) => tool.moved(entry, [OFFSET, OFFSET]));
    model.edit(doc);
    model.select(ids);
    this.editor.say(t('said_pasted', { count: ids.length }));
  }

  /** @param {DragEvent} event */
  over(event) {
    if (!event.dataTransfer?.types.includes('Files')) return;
    this.ours(event);
    event.dataTransfer.dropEffect = 'copy';
  }

  /** @param {DragEvent} event */
  drop(event) {
    const file = event.dataTransfer?.files?.[0];
    if (!file) return;
    this.ours(event);
    this.takeFile(file);
  }

  /** Upload a picture or a video and draw on it. @param {File} file */
  async takeFile(file) {
    const { model, host, notices } = this.editor;
    try {
      const name = await host.upload(file);
      const kind = file.type.startsWith('image/') ? 'image' : 'video';
      model.edit({ ...model.doc, source: { kind, name, start: 0, step: 1 } });
    } catch (error) {
      notices.say(/** @type {Error} */ (error).message);
    }
  }

  /** @param {Event} event */
  ours(event) {
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {Event} event */
function isTyping(event) {
  const target = /** @type {any} */ (event.target);
  return target.tagName === 'TEXTAREA' || (/^(text|number)$/.test(target.type) && !target.readOnly);
}
