// Drawings of strokes: their rules and where a stroke is at a frame (choreo/controls/stroke_document.py).

import { checkEase } from './boxes.mjs';
import { brief, choice, mapping, number, numbers, refuse, rows } from './check.mjs';
import { Curve } from './curve.mjs';
import { eachEntry } from './document.mjs';

export const PATHS = ['pchip', 'linear', 'smooth', 'bezier'];
export const TIMINGS = ['index', 'keys', 'arc'];
const FAR = 10;

/** Raise a sentence at the first entry that is wrong. @param {any} document */
export function check(document) {
  let count = 0;
  eachEntry(document, 'stroke', 256, (stroke, where) => {
    choice(stroke, 'role', where, ['object', 'static', 'camera']);
    choice(stroke, 'path', where, PATHS);
    choice(stroke, 'timing', where, TIMINGS);
    const keys = rows(stroke, 'k', where, 4096);
    if (!keys.length) refuse(`${where} has no keys; give at least one.`);
    keys.forEach((key, i) =>
      checkKey(key, keys[i - 1], `${where}, key ${i + 1}`, (stroke.timing ?? 'index') !== 'index'),
    );
    count += keys.length;
  });
  if (count > 16384) refuse(`The strokes have ${count} keys together; at most 16384 are read.`);
}

/** @param {any} key @param {any} before @param {string} where @param {boolean} timed whether frames count */
function checkKey(key, before, where, timed) {
  mapping(key, where);
  if (timed || key.f !== undefined) {
    number(key.f, 'f', where, 0, 65536);
    where += ` (frame ${brief(key.f)})`;
    if (timed && before && key.f <= before.f)
      refuse(`${where}: the key before is at frame ${before.f}; sort them.`);
  }
  number(key.x, 'x', `${where}, in fractions of the canvas`, -FAR, FAR);
  number(key.y, 'y', `${where}, in fractions of the canvas`, -FAR, FAR);
  for (const side of ['in', 'out']) {
    if (key[side])
      numbers(key[side], side, where, [
        [-FAR, FAR],
        [-FAR, FAR],
      ]);
  }
  checkEase(key.ease ?? 'linear', where);
}

/** @param {any} document @returns {{id: string, text: string}[]} */
export function problems(document) {
  return document.strokes?.length ? [] : [{ id: '', text: 'Nothing is drawn: draw at least one stroke.' }];
}

/** Frames of a stroke's keys. @param {any} stroke @param {{frames: number}} space @returns {number[]} */
export function framesOf(stroke, space) {
  const last = Math.max(stroke.k.length - 1, 1);
  const index = (stroke.timing ?? 'index') === 'index';
  return stroke.k.map((/** @type {any} */ key, /** @type {number} */ i) =>
    index ? (i * (space.frames - 1 || 1)) / last : key.f,
  );
}

/** The path of a stroke, in pixels of the drawing's canvas. @param {any} stroke @param {any} space */
export function curveOf(stroke, space) {
  const handle = (/** @type {any} */ h) => (h ? [h[0] * space.w, h[1] * space.h] : null);
  const index = (stroke.timing ?? 'index') === 'index';
  return new Curve(
    framesOf(stroke, space),
    stroke.k.map((/** @type {any} */ key) => (index ? 'linear' : (key.ease ?? 'linear'))),
    stroke.k.map((/** @type {any} */ key) => [key.x * space.w, key.y * space.h]),
    stroke.path ?? 'pchip',
    index ? 'keys' : stroke.timing,
    stroke.k.map((/** @type {any} */ key) => ({ in: handle(key.in), out: handle(key.out) })),
  );
}

/** A sampler of a stroke: frame of the timeline -> [x, y] in fractions. @param {any} stroke
 * @param {any} space */
export function sampler(stroke, space) {
  const curve = curveOf(stroke, space);
  const first = curve.times[0];
  return (/** @type {number} */ frame) => {
    const [x, y] = curve.point(curve.place(Math.max(frame, first)));
    return /** @type {[number, number]} */ ([x / space.w, y / space.h]);
  };
}

/** The points that a line needs to stay within a tolerance (Ramer 1972, Douglas and Peucker 1973), as
 * indexes.
 * @param {[number, number][]} points @param {number} tolerance @returns {number[]} */
export function simplified(points, tolerance) {
  const kept = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  for (let part = open.pop(); part; part = open.pop()) {
    const [from, to] = part;
    let [far, at] = [tolerance, -1];
    for (let i = from + 1; i < to; i++) {
      const d = distance(points[i], points[from], points[to]);
      if (d > far) [far, at] = [d, i];
    }
    if (at < 0) continue;
    kept.add(at);
    open.push([from, at], [at, to]);
  }
  return [...kept].sort((a, b) => a - b);
}

/** Distance of a point from a line segment. @param {[number, number]} p @param {[number, number]} a
 * @param {[number, number]} b */
export function distance([px, py], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const s = length ? Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / length)) : 0;
  return Math.hypot(px - ax - s * dx, py - ay - s * dy);
}
