// Draws in fractions of the canvas.

import { doubled, shapeStamp, textStamp } from './stamps.mjs';

const LARGEST = 12; // CSS pixels: the radius of a dot that is worth keeping
const APART = 1.2; // CSS pixels: points of a line that lie closer together are one

/** @typedef {[number, number]} Point */
/** @typedef {import('./stamps.mjs').Style} Style */

export class Pen {
  /** @param {CanvasRenderingContext2D} context @param {import('./viewport.mjs').Viewport} view
   * @param {number} ratio pixels of the canvas per CSS pixel */
  constructor(context, view, ratio) {
    this.context = context;
    this.ratio = ratio;
    this.rect = view.rect();
  }

  /** @param {ArrayLike<number>} p @returns {Point} */
  at(p) {
    return [this.rect.x + p[0] * this.rect.w, this.rect.y + p[1] * this.rect.h];
  }

  /** A line through points. @param {Point[]} points @param {Style} style */
  line(points, style = {}) {
    if (points.length < 2) return;
    const path = new Path2D();
    this.trace(path, points);
    if (style.closed) path.closePath();
    this.path(path, style);
  }

  /** Add a line through points to a path, without those too close to be seen apart. @param {Path2D} path
   * @param {ArrayLike<number>[]} points */
  trace(path, points) {
    const { x, y, w, h } = this.rect;
    let [lastX, lastY] = [0, 0];
    for (let i = 0; i < points.length; i++) {
      const [px, py] = [x + points[i][0] * w, y + points[i][1] * h];
      const near = Math.abs(px - lastX) + Math.abs(py - lastY) < APART;
      if (i && near && i < points.length - 1) continue;
      if (i) path.lineTo(px, py);
      else path.moveTo(px, py);
      [lastX, lastY] = [px, py];
    }
  }

  /** A box [cx, cy, w, h]. @param {number[]} box @param {Style} style */
  box([cx, cy, w, h], style = {}) {
    const path = new Path2D();
    path.rect(...this.at([cx - w / 2, cy - h / 2]), w * this.rect.w, h * this.rect.h);
    this.path(path, style);
  }

  /** A disc or, hollow, a ring. @param {ArrayLike<number>} p @param {number} radius CSS pixels
   * @param {Style} style */
  dot(p, radius, style = {}) {
    if (radius <= LARGEST && !style.dash?.length) return this.stamp('dot', [p], radius, style);
    const path = new Path2D();
    path.arc(...this.at(p), radius, 0, 7);
    this.path(path, style);
  }

  /** A square on its corner: a key. @param {Point} p @param {number} radius @param {Style} style */
  diamond(p, radius, style = {}) {
    this.stamp('diamond', [p], radius, style);
  }

  /** Many small discs. @param {Point[]} points @param {number} radius @param {Style} style */
  dots(points, radius, style = {}) {
    this.stamp('dot', points, radius, { width: 0, fill: style.color, ...style });
  }

  /** Copies of a small shape at points. @param {'dot' | 'diamond' | 'cross'} shape
   * @param {ArrayLike<number>[]} points
   * @param {number} radius @param {Style} style */
  stamp(shape, points, radius, style) {
    const { context, rect, ratio } = this;
    const picture = shapeStamp(shape, radius, style, ratio);
    const size = picture.width / ratio;
    context.globalAlpha = style.alpha ?? 1;
    for (const p of points) {
      const [x, y] = [rect.x + p[0] * rect.w, rect.y + p[1] * rect.h];
      context.drawImage(picture, x - size / 2, y - size / 2, size, size);
    }
    context.globalAlpha = 1;
  }

  /** @param {Path2D} path @param {Style} style */
  path(path, style) {
    doubled(this.context, path, style);
  }

  /** Words beside a point, dx and dy CSS pixels away. @param {string} text @param {ArrayLike<number>} p
   * @param {number} dx
   * @param {number} dy @param {Style} style */
  text(text, p, dx, dy, { color = '#fff', alpha = 1 } = {}) {
    const { context, ratio } = this;
    const picture = textStamp(text, color, ratio);
    const [x, y] = this.at(p);
    const sharp = (/** @type {number} */ v) => Math.round(v * ratio) / ratio;
    context.globalAlpha = alpha;
    context.drawImage(
      picture,
      sharp(x + dx - 2),
      sharp(y + dy - 14),
      picture.width / ratio,
      picture.height / ratio,
    );
    context.globalAlpha = 1;
  }
}
