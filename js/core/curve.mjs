// Curves through keys: easing, paths and timing; agrees with choreo/controls/curves.py (golden vectors).
// A path is one cubic Bézier per segment; timing says which segment and parameter s a frame shows.

/** @typedef {[number, number]} Point */
/** @typedef {[Point, Point, Point, Point]} Cubic */
/** @typedef {string | number[]} Ease */

export const EASES = ['linear', 'hold', 'in', 'out', 'inout'];
const ARC_STEPS = 256;
const mix = (/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ s) => a + (b - a) * s;
const dist = (/** @type {Point} */ a, /** @type {Point} */ b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** Progress of a segment at its time t; 0 at t <= 0, 1 at t >= 1. @param {Ease} ease @param {number} t */
export function eased(ease, t) {
  if (t <= 0 || t >= 1) return t >= 1 ? 1 : 0;
  if (Array.isArray(ease)) return cssBezier(ease, t);
  if (ease === 'hold') return 0;
  if (ease === 'in') return t * t;
  if (ease === 'out') return 1 - (1 - t) ** 2;
  return ease === 'inout' ? t * t * (3 - 2 * t) : t;
}

/** y where the curve (0,0) (x1,y1) (x2,y2) (1,1) has x = t. @param {number[]} ease @param {number} t */
function cssBezier([x1, y1, x2, y2], t) {
  /** @type {Cubic} */
  const cubic = [
    [0, 0],
    [x1, y1],
    [x2, y2],
    [1, 1],
  ];
  let low = 0;
  let high = 1;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (bezierPoint(cubic, middle)[0] < t) low = middle;
    else high = middle;
  }
  return bezierPoint(cubic, (low + high) / 2)[1];
}

/** The point of a cubic Bézier curve at s. @param {Cubic} cubic @param {number} s @returns {Point} */
function bezierPoint([a, b, c, d], s) {
  const r = 1 - s;
  const [wa, wb, wc, wd] = [r * r * r, 3 * r * r * s, 3 * r * s * s, s * s * s];
  return [wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0], wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1]];
}

/** A path through keys, timed: `place(frame)`, then `point(place)` or `mix(values, place)`. */
export class Curve {
  /** @param {number[]} times @param {Ease[]} eases @param {Point[]} points in pixels @param {string} path
   * @param {string} timing @param {{in?: Point | null, out?: Point | null}[]} handles offsets in pixels */
  constructor(times, eases, points, path, timing, handles = []) {
    const last = points.length - 1;
    this.times = last ? times : [times[0], times[0]];
    this.eases = eases;
    this.cubics = last ? cubicsOf(points, path, handles) : [/** @type {Cubic} */ (Array(4).fill(points[0]))];
    const lengths = timing === 'arc' && last ? arcLengths(this.cubics) : [];
    this.lengths = lengths.length && lengths[lengths.length - 1] > 0 ? lengths : [];
  }

  /** Segment and parameter shown at a frame. @param {number} frame @returns {[number, number]} */
  place(frame) {
    const { times } = this;
    if (frame >= times[times.length - 1]) return [this.cubics.length - 1, 1];
    if (this.lengths.length) return this.placeByLength(frame);
    const segment = Math.max(0, after(times, frame) - 1);
    const [start, end] = [times[segment], times[segment + 1]];
    return [segment, eased(this.eases[segment], (frame - start) / (end - start))];
  }

  /** @param {[number, number]} place */
  point([segment, s]) {
    return bezierPoint(this.cubics[segment], s);
  }

  /** One value per key, linear in the parameter. @param {number[]} values @param {[number, number]} place */
  mix(values, [segment, s]) {
    return mix(values[segment], values[Math.min(segment + 1, values.length - 1)], s);
  }

  /** @param {number} frame @returns {[number, number]} */
  placeByLength(frame) {
    const { lengths, times } = this;
    const part = Math.max(0, (frame - times[0]) / (times[times.length - 1] - times[0]));
    const length = lengths[lengths.length - 1] * part;
    const chord = after(lengths, length) - 1;
    const inside = (length - lengths[chord]) / (lengths[chord + 1] - lengths[chord]);
    return [Math.floor(chord / ARC_STEPS), ((chord % ARC_STEPS) + inside) / ARC_STEPS];
  }
}

/** Index of the first value greater than x in a rising list. @param {number[]} values @param {number} x */
function after(values, x) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @param {Point[]} points @param {string} path @param {any[]} handles @returns {Cubic[]} */
function cubicsOf(points, path, handles) {
  const tangents = path === 'pchip' ? pchipTangents(points) : [];
  return points.slice(1).map((d, i) => {
    const a = points[i];
    /** @type {Point} */
    const chord = [d[0] - a[0], d[1] - a[1]];
    let [leaving, arriving] = [chord, chord];
    if (path === 'smooth') {
      leaving = tangent(points[i - 1] ?? a, a, d);
      const back = tangent(points[i + 2] ?? d, d, a);
      arriving = [-back[0], -back[1]];
    } else if (path === 'pchip') [leaving, arriving] = [tangents[i], tangents[i + 1]];
    const out = path === 'bezier' && handles[i]?.out;
    const into = path === 'bezier' && handles[i + 1]?.in;
    return [a, moved(a, out || leaving, out ? 1 : 1 / 3), moved(d, into || arriving, into ? 1 : -1 / 3), d];
  });
}

/** @param {Point} p @param {Point} by @param {number} scale @returns {Point} */
const moved = (p, by, scale) => [p[0] + by[0] * scale, p[1] + by[1] * scale];

/** Centripetal Catmull-Rom: derivative at `here` towards `there`; no neighbour leaves the chord.
 * @param {Point} before @param {Point} here @param {Point} there @returns {Point} */
function tangent(before, here, there) {
  const gap = Math.sqrt(dist(before, here));
  const span = Math.sqrt(dist(here, there));
  const along = (/** @type {0 | 1} */ axis) => {
    const [p, q, r] = [before[axis], here[axis], there[axis]];
    return gap && span ? span * ((q - p) / gap - (r - p) / (gap + span) + (r - q) / span) : r - q;
  };
  return [along(0), along(1)];
}

/** Monotone cubic tangents over the key index, each axis by itself (Fritsch and Butland 1984).
 * @param {Point[]} points @returns {Point[]} */
function pchipTangents(points) {
  const axes = /** @type {const} */ ([0, 1]).map((axis) => {
    const m = points.slice(1).map((p, i) => p[axis] - points[i][axis]);
    if (m.length === 1) return [m[0], m[0]];
    const inner = m.slice(1).map((b, i) => (m[i] * b > 0 ? (2 * m[i] * b) / (m[i] + b) : 0));
    return [endTangent(m[0], m[1]), ...inner, endTangent(m[m.length - 1], m[m.length - 2])];
  });
  return points.map((_, i) => [axes[0][i], axes[1][i]]);
}

/** One-sided three-point slope, kept monotone. @param {number} m0 @param {number} m1 */
function endTangent(m0, m1) {
  const d = (3 * m0 - m1) / 2;
  if (Math.sign(d) !== Math.sign(m0)) return 0;
  return Math.sign(m0) !== Math.sign(m1) && Math.abs(d) > 3 * Math.abs(m0) ? 3 * m0 : d;
}

/** Cumulative chord lengths, ARC_STEPS per segment, from 0. @param {Cubic[]} cubics */
function arcLengths(cubics) {
  const lengths = [0];
  for (const cubic of cubics) {
    let last = cubic[0];
    for (let step = 1; step <= ARC_STEPS; step++) {
      const next = bezierPoint(cubic, step / ARC_STEPS);
      lengths.push(lengths[lengths.length - 1] + dist(last, next));
      last = next;
    }
  }
  return lengths;
}
