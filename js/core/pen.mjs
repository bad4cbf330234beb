// Draws in fractions of the canvas; every line is doubled (dark below, colour above), so it shows on any
// picture.

const DARK = 'rgba(8,10,14,.72)';
const FONT = '11px Inter, system-ui, sans-serif';

/** @typedef {[number, number]} Point */
/** @typedef {{color?: string, width?: number, dash?: number[], alpha?: number, fill?: string, closed?:
 * boolean}} Style */

export class Pen {
  /** @param {CanvasRenderingContext2D} context @param {import('./viewport.mjs').Viewport} view */
  constructor(context, view) {
    this.context = context;
    this.view = view;
    this.rect = view.rect();
  }

  /** @param {Point} p @returns {Point} */
  at([x, y]) {
    return [this.rect.x + x * this.rect.w, this.rect.y + y * this.rect.h];
  }

  /** A line through points. @param {Point[]} points @param {Style} style */
  line(points, style = {}) {
    if (points.length < 2) return;
    const path = new Path2D();
    points.forEach((p, i) => (i ? path.lineTo(...this.at(p)) : path.moveTo(...this.at(p))));
    if (style.closed) path.closePath();
    this.path(path, style);
  }

  /** A box [cx, cy, w, h]. @param {number[]} box @param {Style} style */
  box([cx, cy, w, h], style = {}) {
    const path = new Path2D();
    path.rect(...this.at([cx - w / 2, cy - h / 2]), w * this.rect.w, h * this.rect.h);
    this.path(path, style);
  }

  /** A disc or, hollow, a ring. @param {Point} p @param {number} radius CSS pixels @param {Style} style */
  dot(p, radius, style = {}) {
    const path = new Path2D();
    path.arc(...this.at(p), radius, 0, 7);
    this.path(path, style);
  }

  /** A square on its corner: a key. @param {Point} p @param {number} radius @param {Style} style */
  diamond(p, radius, style = {}) {
    const [x, y] = this.at(p);
    const path = new Path2D(
      `M${x} ${y - radius}l${radius} ${radius}l-${radius} ${radius}l-${radius} -${radius}z`,
    );
    this.path(path, style);
  }

  /** Many small dots in one stroke. @param {Point[]} points @param {number} radius @param {Style} style */
  dots(points, radius, style = {}) {
    const path = new Path2D();
    for (const p of points) {
      const [x, y] = this.at(p);
      path.moveTo(x + radius, y);
      path.arc(x, y, radius, 0, 7);
    }
    this.path(path, { ...style, width: style.width ?? 0, fill: style.fill ?? style.color });
  }

  /** @param {Path2D} path @param {Style} style */
  path(path, { color = '#fff', width = 1.5, dash = [], alpha = 1, fill } = {}) {
    const { context } = this;
    context.globalAlpha = alpha;
    context.lineJoin = context.lineCap = 'round';
    context.strokeStyle = DARK;
    context.lineWidth = width + 2;
    context.setLineDash([]);
    context.stroke(path);
    if (fill) {
      context.fillStyle = fill;
      context.fill(path);
    }
    if (width) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.setLineDash(dash);
      context.stroke(path);
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Words beside a point, dx and dy CSS pixels away. @param {string} text @param {Point} p
   * @param {number} dx
   * @param {number} dy @param {Style} style */
  text(text, p, dx, dy, { color = '#fff', alpha = 1 } = {}) {
    const { context } = this;
    const [x, y] = this.at(p);
    context.globalAlpha = alpha;
    context.font = FONT;
    context.lineWidth = 3;
    context.lineJoin = 'round';
    context.strokeStyle = DARK;
    context.strokeText(text, x + dx, y + dy);
    context.fillStyle = color;
    context.fillText(text, x + dx, y + dy);
    context.globalAlpha = 1;
  }
}
