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
  const scale = [space.w / to.w, space.h / to.h];
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right] = span(Math.min(...xs) - radius, Math.max(...xs) + radius, scale[0], to.w);
  const [top, bottom] = span(Math.min(...ys) - radius, Math.max(...ys) + radius, scale[1], to.h);
  const width = right - left;
  if (width <= 0 || bottom <= top) return;
  const near = new Float64Array(width * (bottom - top)).fill(Infinity); // squared distances
  points.forEach((b, n) => {
    const a = points[Math.max(n - 1, 0)];
    const [x0, x1] = span(Math.min(a[0], b[0]) - radius, Math.max(a[0], b[0]) + radius, scale[0], to.w);
    const [y0, y1] = span(Math.min(a[1], b[1]) - radius, Math.max(a[1], b[1]) + radius, scale[1], to.h);
    measure(near, a, b, scale, { x0, x1, y0, y1, left, top, width });
  });
  near.forEach((d, i) => {
    if (d > radius * radius) return;
    const far = Math.sqrt(d);
    const at = (Math.floor(i / width) + top) * to.w + (i % width) + left;
    set(at, far <= hard ? 1 : (radius - far) / (radius - hard));
  });
}

/** Squared distances of pixels from a line segment, where they are smaller than those known.
 * @param {Float64Array} near @param {number[]} a @param {number[]} b @param {number[]} scale
 * @param {any} area */
function measure(near, [ax, ay], [bx, by], [sx, sy], { x0, x1, y0, y1, left, top, width }) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  for (let y = y0; y < y1; y++) {
    const py = (y + 0.5) * sy - ay;
    for (let x = x0; x < x1; x++) {
      const px = (x + 0.5) * sx - ax;
      const s = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      const d = (px - s * dx) * (px - s * dx) + (py - s * dy) * (py - s * dy);
      const i = (y - top) * width + x - left;
      if (d < near[i]) near[i] = d;
    }
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
