// Undo and redo of immutable documents; edits of one gesture are one step.

const LIMIT = 500;

export class History {
  constructor() {
    /** @type {any[]} */ this.past = [];
    /** @type {any[]} */ this.future = [];
    this.gesture = '';
  }

  /** Remember the document before an edit. Edits in a row with the same gesture id are one step.
   * @param {any} before @param {string} gesture */
  push(before, gesture = '') {
    if (gesture && gesture === this.gesture) return;
    this.gesture = gesture;
    this.past.push(before);
    if (this.past.length > LIMIT) this.past.shift();
    this.future.length = 0;
  }

  /** The document one step back, or undefined. @param {any} now */
  undo(now) {
    return this.step(this.past, this.future, now);
  }

  /** The document one step forth, or undefined. @param {any} now */
  redo(now) {
    return this.step(this.future, this.past, now);
  }

  /** @param {any[]} from @param {any[]} to @param {any} now */
  step(from, to, now) {
    this.gesture = '';
    const next = from.pop();
    if (next !== undefined) to.push(now);
    return next;
  }

  clear() {
    this.past.length = this.future.length = 0;
    this.gesture = '';
  }
}
