// The timeline: a real range input, which holds the editor's focus, under canvases: ticks and keys rest, the
// head moves.

import { shapeStamp } from '../core/stamps.mjs';
import { el } from './dom.mjs';

const PAD = 9;

export class Timeline {
  /** @param {import('../core/model.mjs').Model} model @param {any} tool
   * @param {{label: string, text: (frame: number) => string, scale: () => number}} options */
  constructor(model, tool, { label, text, scale }) {
    this.model = model;
    this.tool = tool;
    this.text = text;
    this.scale = scale;
    this.input = el('input', {
      type: 'range',
      min: 0,
      step: 1,
      className: 'choreo-range',
      'aria-label': label,
      oninput: () => model.seek(Number(this.input.value)),
    });
    this.canvas = el('canvas', { className: 'choreo-ticks', 'aria-hidden': 'true' });
    this.head = el('canvas', { className: 'choreo-layer', 'aria-hidden': 'true' });
    this.root = el('div', { className: 'choreo-track' }, this.canvas, this.head, this.input);
    /** @type {CanvasImageSource[]} */ this.pictures = [];
    this.size = [0, 0];
    /** @type {any[]} */ this.key = [];
    this.due = 0;
    this.shown = -1;
    this.words = '';
    this.sizes = new ResizeObserver(() => {
      this.size = [this.root.clientWidth, this.root.clientHeight];
      this.redraw();
    });
    this.sizes.observe(this.root);
    this.listen();
  }

  listen() {
    const { canvas } = this;
    /** @type {null | ((frame: number) => void)} */ let drag = null;
    canvas.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.focus();
      canvas.setPointerCapture(event.pointerId);
      drag = this.grab(event);
      drag(this.frameAt(event));
    });
    canvas.addEventListener('pointermove', (/** @type {PointerEvent} */ event) =>
      drag?.(this.frameAt(event)),
    );
    for (const end of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(end, () => {
        drag = null;
        this.model.commit();
      });
    }
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  /** What a press at a place drags: a key of the selection (its upper half), or the frame.
   * @param {PointerEvent} event @returns {(frame: number) => void} */
  grab(event) {
    const { model, tool } = this;
    const frame = Math.round(this.frameAt(event));
    const box = this.canvas.getBoundingClientRect();
    const low = event.clientY > box.top + box.height / 2;
    for (const entry of low && model.editable ? model.selected : []) {
      const i = tool.keys(entry, model.space).indexOf(frame);
      if (i > 0 || (i === 0 && tool.movesFirst)) return this.retiming(entry, i);
    }
    return (at) => model.seek(Math.round(at));
  }

  /** @param {any} entry @param {number} i */
  retiming(entry, i) {
    const { model, tool } = this;
    const before = model.doc;
    const list = model.kind;
    return (/** @type {number} */ at) => {
      const moved = tool.retime(entry, i, at, model.lastFrame);
      model.preview({
        ...before,
        [list]: before[list].map((/** @type {any} */ e) => (e.id === entry.id ? moved : e)),
      });
      model.seek(tool.keys(moved, model.space)[i]);
    };
  }

  /** @param {PointerEvent} event */
  frameAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const zoom = box.width ? this.canvas.clientWidth / box.width : 1;
    const width = Math.max(this.canvas.clientWidth - 2 * PAD, 1);
    return (((event.clientX - box.left) * zoom - PAD) / width) * this.model.lastFrame;
  }

  update() {
    const { model, input } = this;
    const frame = Math.round(model.frame);
    if (input.max !== String(model.lastFrame)) input.max = String(model.lastFrame);
    if (this.shown !== frame || input.valueAsNumber !== frame) {
      this.shown = frame;
      input.value = String(frame);
    }
    const words = this.text(frame);
    if (this.words !== words) input.setAttribute('aria-valuetext', (this.words = words));
    this.redraw();
  }

  /** Ask for a drawing in the next frame. */
  redraw() {
    this.due ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.due = 0;
    const { model } = this;
    const [w, h] = this.size;
    if (!w || !h) return;
    const ratio = Math.min(devicePixelRatio * this.scale(), 2);
    const x = (/** @type {number} */ f) => PAD + (model.lastFrame ? f / model.lastFrame : 0) * (w - 2 * PAD);
    this.drawStill(x, ratio);
    const g = this.ready(this.head, ratio);
    g.fillStyle = '#fff';
    g.fillRect(x(model.frame) - 1, 1, 2, h - 2);
    g.beginPath();
    g.arc(x(model.frame), 4, 4, 0, 7);
    g.fill();
  }

  /** Strip, ticks and keys, if they are not what was drawn last. @param {(f: number) => number} x
   * @param {number} ratio */
  drawStill(x, ratio) {
    const { model, size, pictures } = this;
    const entries = model.selected.length ? model.selected : model.entries;
    const { w, h, frames } = model.space;
    const key = [ratio, ...size, pictures, model.selection, model.objects, w, h, frames, ...entries];
    if (key.length === this.key.length && key.every((part, i) => part === this.key[i])) return;
    this.key = key;
    const g = this.ready(this.canvas, ratio);
    this.drawStrip(g, size[0], size[1]);
    this.drawTicks(g, x);
    this.drawKeys(g, entries, x, ratio);
  }

  /** A cleared canvas of the track's size. @param {HTMLCanvasElement} canvas @param {number} ratio */
  ready(canvas, ratio) {
    const [w, h] = this.size.map((side) => Math.round(side * ratio));
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const g = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, this.size[0], this.size[1]);
    return g;
  }

  /** @param {CanvasRenderingContext2D} g @param {number} w @param {number} h */
  drawStrip(g, w, h) {
    const { pictures } = this;
    if (!pictures.length) return;
    g.globalAlpha = 0.35;
    const each = (w - 2 * PAD) / pictures.length;
    pictures.forEach((picture, i) => g.drawImage(picture, PAD + i * each, 2, each, h - 4));
    g.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} g @param {(f: number) => number} x */
  drawTicks(g, x) {
    const { lastFrame } = this.model;
    const room = (x(lastFrame) - x(0)) / Math.max(lastFrame, 1);
    const step = [1, 5, 10, 50, 100, 500, 1000, 5000].find((n) => n * room >= 5) ?? 10000;
    const word = [5, 10, 20, 50, 100, 500, 1000, 5000].find((n) => n * room >= 28) ?? 10000;
    g.font = '9px Inter, system-ui, sans-serif';
    for (let f = 0; f <= lastFrame; f += step) {
      g.fillStyle = f % word ? 'rgba(255,255,255,.2)' : 'rgba(255,255,255,.5)';
      g.fillRect(x(f) - 0.5, 2, 1, f % word ? 4 : 7);
      if (f % word === 0 && x(f) < x(lastFrame) - 6) g.fillText(String(f), x(f) + 3, 10);
    }
  }

  /** One mark a frame, however many entries have a key there. @param {CanvasRenderingContext2D} g
   * @param {any[]} entries @param {(f: number) => number} x @param {number} ratio */
  drawKeys(g, entries, x, ratio) {
    const { model, tool } = this;
    const selected = entries.length > 0 && model.selection.has(entries[0].id);
    /** @type {Map<number, string>} */ const colors = new Map();
    for (const entry of entries)
      for (const frame of tool.keys(entry, model.space)) colors.set(frame, model.colorOf(entry));
    g.globalAlpha = selected ? 1 : 0.45;
    for (const [frame, fill] of colors) {
      const style = { color: selected ? '#fff' : 'rgba(0,0,0,.6)', width: 1, fill };
      const stamp = shapeStamp('diamond', selected ? 5 : 3.5, style, ratio);
      const side = stamp.width / ratio;
      g.drawImage(stamp, x(frame) - side / 2, this.size[1] - 8 - side / 2, side, side);
    }
    g.globalAlpha = 1;
  }

  dispose() {
    this.sizes.disconnect();
    cancelAnimationFrame(this.due);
  }
}
