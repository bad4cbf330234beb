// What an editor knows: the document, its history, the selection, the frame. No DOM, no host.

import { DrawingError } from './check.mjs';
import { blank, label, listOf, MAX_CHARACTERS, write } from './document.mjs';
import { History } from './history.mjs';
import { checked, KIND, read } from './kinds.mjs';
import { COLORS } from './palette.mjs';

/** @typedef {{w: number, h: number, frames: number, fps: number}} Space */

export class Model {
  /** @param {string} kind @param {() => Space} size canvas and timeline of the node, for an empty drawing */
  constructor(kind, size) {
    this.kind = kind;
    this.size = size;
    this.history = new History();
    /** @type {Set<string>} */ this.selection = new Set();
    /** @type {Set<string>} */ this.hidden = new Set();
    /** @type {Set<(what: string) => void>} */ this.listeners = new Set();
    this.frame = 0;
    this.object = '';
    this.mode = '';
    /** @type {any} of the mask tool */ this.brush = undefined;
    this.text = '';
    this.error = '';
    this.readOnly = false;
    /** @type {string | undefined} why the last edit was not taken */ this.refusal = undefined;
    /** @type {any} the document before a gesture */ this.before = undefined;
    /** @type {any} */ this.doc = blank(kind, size());
  }

  /** Take a text from outside. What cannot be read is kept and shown, never overwritten.
   * @param {string} text */
  load(text) {
    this.text = text;
    this.error = '';
    try {
      this.doc = text.trim() ? this.parsed(text) : blank(this.kind, this.size());
    } catch (error) {
      if (!(error instanceof DrawingError)) throw error;
      this.error = error.message;
      this.doc = blank(this.kind, this.size());
    }
    this.history.clear();
    this.keepSelection();
    this.tell('load');
  }

  /** @param {string} text */
  parsed(text) {
    return read(text, this.kind, this.size());
  }

  /** The entries of the document. @returns {any[]} */
  get entries() {
    return this.doc[listOf(this.kind)] ?? [];
  }

  /** @returns {any[]} */
  get objects() {
    return this.doc.objects ?? [];
  }

  get space() {
    return this.entries.length ? this.doc.space : { ...this.doc.space, ...this.size() };
  }

  get lastFrame() {
    return Math.max(this.space.frames - 1, 0);
  }

  get editable() {
    return !this.readOnly && !this.error;
  }

  /** The selected entries, in drawing order. */
  get selected() {
    return this.entries.filter((entry) => this.selection.has(entry.id));
  }

  /** The entries that a running gesture has changed. @returns {any[]} */
  get moving() {
    const before = this.before?.[listOf(this.kind)];
    return before && before !== this.entries ? this.entries.filter((entry, i) => entry !== before[i]) : [];
  }

  get problems() {
    return KIND[this.kind].problems(this.doc);
  }

  /** Show a document while a gesture runs; `commit` or `cancel` ends it. @param {any} doc */
  preview(doc) {
    this.before ??= this.doc;
    this.doc = doc;
    this.tell('preview');
  }

  /** The shown document is the new value: one step of history.
   * @param {string} gesture joins steps in a row */
  commit(gesture = '') {
    const before = this.before;
    this.before = undefined;
    if (before === undefined || before === this.doc) return;
    if (!before[listOf(this.kind)]?.length)
      this.doc = { ...this.doc, space: { ...before.space, ...this.size() } };
    const text = write(this.doc);
    this.refusal = this.wrong(text);
    if (this.refusal !== undefined) {
      this.doc = before;
      return this.tell('refused');
    }
    this.history.push(before, gesture);
    this.written(text);
  }

  /** Why the drawing could not be read again: a sentence, or an empty one where it is too large.
   * @param {string} text */
  wrong(text) {
    if (text.length > MAX_CHARACTERS) return '';
    try {
      checked(this.doc, this.kind);
    } catch (error) {
      if (error instanceof DrawingError) return error.message;
      throw error;
    }
  }

  cancel() {
    if (this.before !== undefined) this.doc = this.before;
    this.before = undefined;
    this.tell('preview');
  }

  /** A whole edit at once. @param {any} doc @param {string} gesture */
  edit(doc, gesture = '') {
    if (!this.editable || doc === this.doc) return;
    this.preview(doc);
    this.commit(gesture);
  }

  /** @param {'undo' | 'redo'} direction @returns {boolean} whether there was a step */
  travel(direction) {
    const doc = this.editable ? this.history[direction](this.doc) : undefined;
    if (doc === undefined) return false;
    this.doc = doc;
    this.written();
    return true;
  }

  /** Start anew, also over a text that cannot be read. */
  reset() {
    this.error = '';
    this.history.push(this.doc);
    this.doc = blank(this.kind, this.size());
    this.written();
  }

  /** @param {string} text */
  written(text = write(this.doc)) {
    this.text = text;
    this.keepSelection();
    this.tell('edit');
  }

  /** Paint the drawing as others see it: at a frame, with nothing selected. @param {number} frame
   * @param {() => void} paint */
  seen(frame, paint) {
    const own = { frame: this.frame, selection: this.selection };
    Object.assign(this, { frame, selection: new Set() });
    try {
      paint();
    } finally {
      Object.assign(this, own);
    }
  }

  /** The frame that shows what another drawing's frame shows. @param {Model} other */
  frameOf(other) {
    return Math.round((other.frame * this.lastFrame) / Math.max(other.lastFrame, 1));
  }

  /** @param {Iterable<string>} ids */
  select(ids) {
    const selection = new Set(ids);
    if (!same(selection, this.selection)) this.selection = selection;
    this.tell('select');
  }

  /** @param {number} frame */
  seek(frame) {
    this.frame = Math.min(Math.max(frame, 0), this.lastFrame);
    this.tell('frame');
  }

  keepSelection() {
    const ids = new Set(this.entries.map((entry) => entry.id));
    const left = new Set([...this.selection].filter((id) => ids.has(id)));
    if (!same(left, this.selection)) this.selection = left;
    this.frame = Math.min(this.frame, this.lastFrame);
  }

  /** @param {string} what */
  tell(what) {
    for (const listener of this.listeners) listener(what);
  }

  /** @param {any} entry */
  colorOf(entry) {
    return colorsOf(this.objects).get(entry.o) ?? COLORS[0];
  }

  /** @param {any} entry */
  nameOf(entry) {
    return label(this.doc, entry);
  }
}

/** @param {Set<string>} a @param {Set<string>} b */
const same = (a, b) => a.size === b.size && [...a].every((id) => b.has(id));

/** @type {WeakMap<any[], Map<string, string>>} */
const COLORS_OF = new WeakMap();

/** The colours of objects, by their ids. @param {any[]} objects */
function colorsOf(objects) {
  let colors = COLORS_OF.get(objects);
  if (!colors) {
    const valid = objects.filter((object) => /^#[0-9a-f]{6}$/i.test(object.color ?? ''));
    COLORS_OF.set(objects, (colors = new Map(valid.map((object) => [object.id, object.color]))));
  }
  return colors;
}
