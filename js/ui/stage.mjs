// The picture, what rests and what moves, on three canvases; each redrawn only when it changed and can be
// seen.

import { Pen } from '../core/pen.mjs';
import { Viewport } from '../core/viewport.mjs';
import { el } from './dom.mjs';

export class Stage {
  /** @param {{label: string, describedBy: string, scale: () => number}} options */
  constructor({ label, describedBy, scale }) {
    this.view = new Viewport();
    this.scale = scale;
    this.back = el('canvas', { className: 'choreo-layer', 'aria-hidden': 'true' });
    this.front = el('canvas', { className: 'choreo-layer', 'aria-hidden': 'true' });
    this.root = el(
      'div',
      {
        className: 'choreo-stage',
        role: 'application',
        'aria-label': label,
        'aria-describedby': describedBy,
      },
      this.back,
      this.front,
    );
    /** @type {CanvasImageSource | null} */ this.picture = null;
    /** @type {((pen: Pen) => void)} */ this.paint = () => {};
    /** @type {any[]} */ this.resting = [];
    /** @type {DOMRect | null} */ this.held = null;
    this.cursor = '';
    /** @type {{w: number, h: number}[]} other shapes to show */ this.outlines = [];
    this.dirty = { back: true, front: true };
    this.visible = true;
    this.due = 0;
    this.cost = 0;
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.root);
    this.sight = new IntersectionObserver((entries) => {
      this.visible = Boolean(entries.at(-1)?.isIntersecting);
      if (this.visible) this.redraw();
    });
    this.sight.observe(this.root);
  }

  /** A layer between the picture and what moves, drawn only when what it shows changes.
   * @param {() => any[]} key all that it depends on; empty when it shows nothing
   * @param {(pen: Pen) => void} paint @param {string} look a class */
  addResting(key, paint, look = '') {
    const canvas = el('canvas', { className: `choreo-layer ${look}`, 'aria-hidden': 'true' });
    this.front.before(canvas);
    this.resting.push({ canvas, key, paint, drawn: [] });
  }

  resized() {
    this.view.width = this.root.clientWidth;
    this.view.height = this.root.clientHeight;
    this.redraw();
  }

  /** Ask for a drawing in the next frame. @param {boolean} back the picture and its place too */
  redraw(back = true) {
    this.dirty.back ||= back;
    this.dirty.front = true;
    if (!this.due && this.visible) this.due = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.due = 0;
    const { width, height } = this.view;
    if (!width || !height) return;
    const start = performance.now();
    const ratio = Math.min(devicePixelRatio * this.scale(), 2);
    if (this.dirty.back) this.drawPicture(this.ready(this.back, ratio));
    if (this.dirty.front) {
      for (const layer of this.resting) this.drawResting(layer, ratio);
      this.paint(new Pen(this.ready(this.front, ratio), this.view, ratio));
    }
    this.dirty = { back: false, front: false };
    this.cost = performance.now() - start;
  }

  /** @param {any} layer @param {number} ratio */
  drawResting(layer, ratio) {
    const { x, y, w, h } = this.view.rect();
    const shown = layer.key();
    const key = shown.length ? [ratio, x, y, w, h, this.view.width, this.view.height, ...shown] : [];
    if (key.length === layer.drawn.length && key.every((part, i) => part === layer.drawn[i])) return;
    layer.drawn = key;
    const context = this.ready(layer.canvas, ratio);
    if (shown.length) layer.paint(new Pen(context, this.view, ratio));
  }

  /** A cleared canvas of the right size. @param {HTMLCanvasElement} canvas @param {number} ratio */
  ready(canvas, ratio) {
    const [w, h] = [Math.round(this.view.width * ratio), Math.round(this.view.height * ratio)];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.view.width, this.view.height);
    return context;
  }

  /** @param {CanvasRenderingContext2D} context */
  drawPicture(context) {
    const { x, y, w, h } = this.view.rect();
    context.fillStyle = '#23262d';
    context.fillRect(x, y, w, h);
    if (this.picture) {
      context.imageSmoothingEnabled = this.view.zoom < 4;
      context.imageSmoothingQuality = 'high';
      context.drawImage(this.picture, x, y, w, h);
    } else drawThirds(context, x, y, w, h);
    context.strokeStyle = 'rgba(255,255,255,.22)';
    context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
    for (const shape of this.outlines) drawOutline(context, this.view.rect(), shape);
  }

  /** A point of an event in CSS pixels of the view, whatever the graph's zoom. @param {MouseEvent} event
   * @returns {[number, number]} */
  point(event) {
    const box = this.held ?? this.root.getBoundingClientRect();
    const zoom = box.width ? this.view.width / box.width : 1;
    return [(event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom];
  }

  /** Where the stage is stays known while a gesture runs: no layout is read in its frames.
   * @param {boolean} on */
  hold(on) {
    this.held = on ? this.root.getBoundingClientRect() : null;
  }

  /** @param {string} cursor */
  showCursor(cursor) {
    if (cursor !== this.cursor) this.root.style.cursor = this.cursor = cursor;
  }

  dispose() {
    this.sizes.disconnect();
    this.sight.disconnect();
    cancelAnimationFrame(this.due);
  }
}

/** Where there is no picture: lines at the thirds. @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y @param {number} w @param {number} h */
function drawThirds(context, x, y, w, h) {
  context.fillStyle = 'rgba(255,255,255,.07)';
  for (const part of [1 / 3, 2 / 3]) {
    context.fillRect(x + w * part, y, 1, h);
    context.fillRect(x, y + h * part, w, 1);
  }
}

/** The largest part of the canvas with another shape, dashed. @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number, w: number, h: number}} rect @param {{w: number, h: number}} shape */
function drawOutline(context, { x, y, w, h }, shape) {
  const scale = Math.min(w / shape.w, h / shape.h);
  const [width, height] = [shape.w * scale, shape.h * scale];
  context.strokeStyle = '#ffc857';
  context.setLineDash([6, 5]);
  context.strokeRect(x + (w - width) / 2, y + (h - height) / 2, width, height);
  context.setLineDash([]);
}
