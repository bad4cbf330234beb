// Coverage of mask layers on a grid of pixels; agrees with choreo/controls/raster.py (golden vectors).
// Distances are measured in pixels of the drawing's canvas, at the centres of the grid's pixels.

import { positions, runs } from './mask.mjs';

/** @typedef {{w: number, h: number}} Size */

/** What remains of the last rasters of layers by their id: most edits only add an operation.
 * @typedef {Map<string, {key: string, ops: any[], cover: Float32Array}>} Memory */

/** Coverage 0..1 of a layer, row by row. @param {any} layer @param {Size} space @param {Size} to
 * @param {Memory} [memory] */
export function layerCover(layer, space, to, memory) {
  const ops = layer.ops ?? [];
  let cover = new Float32Array(to.w * to.h);
  let from = 0;
  const key = `${space.w} ${space.h} ${to.w} ${to.h}`;
  const known = memory?.get(layer.id);
  if (known && known.key === key && known.ops.every((op, i) => op === ops[i])) {
    from = known.ops.length;
    cover = known.cover.slice();
  }
  ops.slice(from).forEach((/** @type {any} */ op, /** @type {number} */ i) => {
    if (memory && from + i === ops.length - 1) {
      memory.set(layer.id, { key, ops: ops.slice(0, -1), cover: cover.slice() });
    }
    apply(op, cover, space, to);
  });
  if (layer.feather) cover = feathered(cover, layer.feather * space.w, space, to);
  return layer.invert ? cover.map((c) => 1 - c) : cover;
}

/** The greatest coverage of all layers that are not hidden. @param {any[]} layers @param {Size} space
 * @param {Size} to @param {Memory} [memory] */
export function joinedCover(layers, space, to, memory) {
  const joined = new Float32Array(to.w * to.h);
  for (const layer of layers.filter((l) => !l.hidden)) {
    layerCover(layer, space, to, memory).forEach((c, i) => c > joined[i] && (joined[i] = c));
  }
  return joined;
}

/** @param {any} op @param {Float32Array} cover @param {Size} space @param {Size} to */
function apply(op, cover, space, to) {
  const sub = op.m === 'sub';
  const set = (/** @type {number} */ i, /** @type {number} */ c) => {
    cover[i] = sub ? cover[i] * (1 - c) : Math.max(cover[i], c);
  };
  if (op.t === 'stroke') applyStroke(op, set, space, to);
  else if (op.t === 'poly') applyPolygon(op, set, to);
  else if (op.t === 'rect') applyRectangle(op, set, to);
  else applyRaster(op, set, to);
}

/** @param {any} op @param {(i: number, c: number) => void} set @param {Size} space @param {Size} to */
function applyStroke(op, set, space, to) {
  const radius = op.r * space.w;
  const hard = (op.hd ?? 1) * radius;
  const points = positions(op.p).map(([x, y]) => [x * space.w, y * space.h]);
  const [sx, sy] = [space.w / to.w, space.h / to.h];
  /** @type {Map<number, number>} nearest squared distances */
  const near = new Map();
  points.forEach(([bx, by], n) => {
    const [ax, ay] = points[Math.max(n - 1, 0)];
    const [dx, dy] = [bx - ax, by - ay];
    const length = dx * dx + dy * dy;
    const [x0, x1] = span(Math.min(ax, bx) - radius, Math.max(ax, bx) + radius, sx, to.w);
    const [y0, y1] = span(Math.min(ay, by) - radius, Math.max(ay, by) + radius, sy, to.h);
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        const [px, py] = [(x + 0.5) * sx - ax, (y + 0.5) * sy - ay];
        const s = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
        const d = (px - s * dx) ** 2 + (py - s * dy) ** 2;
        const i = y * to.w + x;
        if (d <= radius * radius && !(/** @type {number} */ (near.get(i) <= d))) near.set(i, d);
      }
    }
  });
  for (const [i, d] of near) {
    const far = Math.sqrt(d);
    set(i, far <= hard ? 1 : (radius - far) / (radius - hard));
  }
}

/** Indexes of pixels whose centres lie in a range. @param {number} low @param {number} high
 * @param {number} step
 * @param {number} count */
function span(low, high, step, count) {
  return [Math.max(0, Math.floor(low / step - 0.5)), Math.min(count, Math.ceil(high / step + 0.5))];
}

/** Inside by the even-odd rule. @param {any} op @param {(i: number, c: number) => void} set
 * @param {Size} to */
function applyPolygon(op, set, to) {
  const points = positions(op.p);
  for (let y = 0; y < to.h; y++) {
    const py = (y + 0.5) / to.h;
    const crossings = points.flatMap(([ax, ay], n) => {
      const [bx, by] = points[(n + 1) % points.length];
      const crosses = ay <= py !== by <= py;
      return crosses ? [ax + ((py - ay) / (by - ay)) * (bx - ax)] : [];
    });
    crossings.sort((a, b) => a - b);
    for (let n = 0; n + 1 < crossings.length; n += 2) {
      const x0 = Math.max(0, Math.ceil(crossings[n] * to.w - 0.5));
      const x1 = Math.min(to.w, Math.ceil(crossings[n + 1] * to.w - 0.5));
      for (let x = x0; x < x1; x++) set(y * to.w + x, 1);
    }
  }
}

/** @param {any} op @param {(i: number, c: number) => void} set @param {Size} to */
function applyRectangle({ b: [left, top, w, h] }, set, to) {
  for (let y = 0; y < to.h; y++) {
    const py = (y + 0.5) / to.h;
    if (py < top || py >= top + h) continue;
    for (let x = 0; x < to.w; x++) {
      const px = (x + 0.5) / to.w;
      if (px >= left && px < left + w) set(y * to.w + x, 1);
    }
  }
}

/** @param {any} op @param {(i: number, c: number) => void} set @param {Size} to */
function applyRaster(op, set, to) {
  const bits = new Uint8Array(op.w * op.h);
  let at = 0;
  runs(op.rle).forEach((length, n) => {
    if (n % 2) bits.fill(1, at, at + length);
    at += length;
  });
  for (let y = 0; y < to.h; y++) {
    const row = Math.floor(((y + 0.5) * op.h) / to.h) * op.w;
    for (let x = 0; x < to.w; x++) {
      if (bits[row + Math.floor(((x + 0.5) * op.w) / to.w)]) set(y * to.w + x, 1);
    }
  }
}

/** Softened by a Gaussian of a sigma in pixels of the canvas, edges repeated. @param {Float32Array} cover
 * @param {number} sigma @param {Size} space @param {Size} to */
function feathered(cover, sigma, space, to) {
  const across = blurred(cover, (sigma * to.w) / space.w, to.w, to.h, 1, to.w);
  return blurred(across, (sigma * to.h) / space.h, to.h, to.w, to.w, 1);
}

/** One axis. @param {Float32Array} from @param {number} sigma @param {number} length @param {number} lines
 * @param {number} step @param {number} jump */
function blurred(from, sigma, length, lines, step, jump) {
  const radius = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  const made = new Float32Array(from.length);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < length; i++) {
      let value = 0;
      for (let k = -radius; k <= radius; k++) {
        const at = Math.min(Math.max(i + k, 0), length - 1);
        value += weights[k + radius] * from[line * jump + at * step];
      }
      made[line * jump + i * step] = value / sum;
    }
  }
  return made;
}
