// Ways with keys {f, x, y}: what boxes and strokes share.

import { curveOf } from '../core/boxes.mjs';

/** @typedef {[number, number]} Point */

/** @type {WeakMap<object, Map<string, any>>} */
const CACHE = new WeakMap();

/** A value that depends on an entry (immutable) and a name, made once. @template T @param {object} entry
 * @param {string} name @param {() => T} make @returns {T} */
export function once(entry, name, make) {
  let values = CACHE.get(entry);
  if (!values) CACHE.set(entry, (values = new Map()));
  if (!values.has(name)) values.set(name, make());
  return values.get(name);
}

/** @typedef {{w: number, h: number, frames: number, frame: number, place: any,
 * sample: (frame: number) => any}} Place */

/** @type {WeakMap<object, Place>} */
const PLACES = new WeakMap();

/** Where an entry is at a frame; interpolated once, however often a frame asks. @param {any} entry
 * @param {any} space @param {number} frame
 * @param {(entry: any, space: any) => (frame: number) => any} sampler */
export function placeAt(entry, { w, h, frames }, frame, sampler) {
  let known = PLACES.get(entry);
  if (!known || known.w !== w || known.h !== h || known.frames !== frames) {
    known = { w, h, frames, frame: NaN, place: null, sample: sampler(entry, { w, h, frames }) };
    PLACES.set(entry, known);
  }
  if (known.frame !== frame) {
    known.place = known.sample(frame);
    known.frame = frame;
  }
  return known.place;
}

/** Points of the drawn way, dense enough for the eye. @param {any} entry @param {any} space
 * @param {typeof curveOf} curve @returns {Point[]} */
export function wayOf(entry, space, curve = curveOf) {
  return once(entry, `way ${space.w} ${space.h} ${space.frames}`, () => {
    const { cubics } = curve(entry, space);
    const steps = entry.path === 'linear' || !entry.path ? 1 : 20;
    const made = cubics.length * (steps + 1) > 4000 ? 4 : steps;
    const way = cubics.flatMap((cubic, i) => {
      const from = i ? 1 : 0;
      return Array.from({ length: made + 1 - from }, (_, n) => pointOn(cubic, (n + from) / made, space));
    });
    return way;
  });
}

/** @param {import('../core/curve.mjs').Cubic} cubic @param {number} s @param {any} space @returns {Point} */
function pointOn([a, b, c, d], s, space) {
  const r = 1 - s;
  const at = (/** @type {0 | 1} */ k) =>
    r * r * r * a[k] + 3 * r * r * s * b[k] + 3 * r * s * s * c[k] + s * s * s * d[k];
  return [at(0) / space.w, at(1) / space.h];
}

/** The entry with a key at a frame: the one there changed, or a new one between its neighbours.
 * @param {any} entry @param {number} frame @param {any} change
 * @param {any} [between] what a new key starts as */
export function withKey(entry, frame, change, between = {}) {
  const at = entry.k.findIndex((/** @type {any} */ key) => key.f === frame);
  if (at >= 0) return { ...entry, k: entry.k.with(at, { ...entry.k[at], ...change }) };
  const before = entry.k.findLast((/** @type {any} */ key) => key.f < frame);
  const ease = before?.ease ?? 'linear';
  const key = { f: frame, ...between, ...change, ease };
  return { ...entry, k: [...entry.k, key].sort((a, b) => a.f - b.f) };
}

/** The entry without its key at a frame; the first key and the last one left stay. @param {any} entry
 * @param {number} frame */
export function withoutKey(entry, frame) {
  const k = entry.k.filter((/** @type {any} */ key, /** @type {number} */ i) => i === 0 || key.f !== frame);
  return k.length === entry.k.length ? entry : { ...entry, k };
}

/** The entry with its i-th key moved to another frame, never past its neighbours. @param {any} entry
 * @param {number} i @param {number} frame @param {number} last the timeline's last frame */
export function retimed(entry, i, frame, last) {
  const low = (entry.k[i - 1]?.f ?? -1) + 1;
  const high = (entry.k[i + 1]?.f ?? last + 1) - 1;
  const f = Math.min(Math.max(Math.round(frame), low), high);
  return f === entry.k[i].f ? entry : { ...entry, k: entry.k.with(i, { ...entry.k[i], f }) };
}

/** The entry moved as a whole. @param {any} entry @param {Point} by */
export function shifted(entry, [dx, dy]) {
  return { ...entry, k: entry.k.map((/** @type {any} */ key) => ({ ...key, x: key.x + dx, y: key.y + dy })) };
}

/** Index of the key whose segment a frame lies in. @param {any} entry @param {number} frame */
export function segmentAt(entry, frame) {
  const after = entry.k.findIndex((/** @type {any} */ key) => key.f > frame);
  return Math.max(0, (after < 0 ? entry.k.length : after) - 1);
}

/** The nearest of some points within a distance, as its index, or -1. @param {Point[]} points
 * @param {Point} p
 * @param {Point} reach per axis, in fractions */
export function nearest(points, [x, y], [rx, ry]) {
  let best = 1;
  let found = -1;
  points.forEach(([px, py], i) => {
    const d = ((px - x) / rx) ** 2 + ((py - y) / ry) ** 2;
    if (d <= best) [best, found] = [d, i];
  });
  return found;
}

/** A movement held to its larger axis. @param {Point} by @param {Point} px size of a CSS pixel
 * @returns {Point} */
export function straight([dx, dy], [px, py]) {
  return Math.abs(dx / px) > Math.abs(dy / py) ? [dx, 0] : [0, dy];
}
