// Zoom and pan: between the view's CSS pixels and fractions of the canvas. Never divides by a zero size.

const MARGIN = 14;
const [LEAST, MOST] = [0.2, 40];

export class Viewport {
  constructor() {
    this.width = 0;
    this.height = 0;
    this.canvas = { w: 16, h: 9 };
    this.zoom = 1;
    /** @type {[number, number]} */ this.centre = [0.5, 0.5];
  }

  /** Where the canvas lies in the view. */
  rect() {
    const { w, h } = this.canvas;
    const room = [Math.max(this.width - 2 * MARGIN, 1), Math.max(this.height - 2 * MARGIN, 1)];
    const scale = Math.min(room[0] / w, room[1] / h) * this.zoom;
    const size = [w * scale, h * scale];
    const [x, y] = [this.width / 2 - this.centre[0] * size[0], this.height / 2 - this.centre[1] * size[1]];
    return { x, y, w: size[0], h: size[1], scale };
  }

  /** @param {[number, number]} p fractions @returns {[number, number]} */
  toView([px, py]) {
    const { x, y, w, h } = this.rect();
    return [x + px * w, y + py * h];
  }

  /** @param {[number, number]} p CSS pixels of the view @returns {[number, number]} */
  toCanvas([px, py]) {
    const { x, y, w, h } = this.rect();
    return [(px - x) / w, (py - y) / h];
  }

  /** Zoom by a factor, keeping what is under the point where it is. @param {[number, number]} at
   * @param {number} factor */
  zoomAt(at, factor) {
    const before = this.toCanvas(at);
    this.zoom = Math.min(MOST, Math.max(LEAST, this.zoom * factor));
    const after = this.toCanvas(at);
    this.centre = [this.centre[0] + before[0] - after[0], this.centre[1] + before[1] - after[1]];
  }

  /** @param {number} dx @param {number} dy in CSS pixels */
  pan(dx, dy) {
    const { w, h } = this.rect();
    this.centre = [this.centre[0] - dx / w, this.centre[1] - dy / h];
  }

  fit() {
    this.zoom = 1;
    this.centre = [0.5, 0.5];
  }

  /** One pixel of the canvas is one CSS pixel. */
  actualSize() {
    this.zoomAt([this.width / 2, this.height / 2], 1 / this.rect().scale);
  }
}
