// Drawings of points: their rules, and where a point is at a frame (choreo/controls/point_document.py).
// A key is [frame, x, y, visible]: 1 yes, 0 hidden until the next key, 2 guessed by a tracker.

import { brief, choice, number, numbers, refuse, rows, whole } from './check.mjs';
import { Curve } from './curve.mjs';
import { eachEntry } from './document.mjs';

export const INTERPS = ['track', 'hold', 'linear', 'smooth'];
const FAR = 10;

/** Raise a sentence at the first entry that is wrong. @param {any} document */
export function check(document) {
  let count = 0;
  eachEntry(document, 'point', 4096, (point, where) => {
    choice(point, 'interp', where, INTERPS);
    whole(point.neg ?? 0, 'neg', where, 0, 1);
    const keys = rows(point, 'k', where, 4096);
    if (!keys.length) refuse(`${where} has no keys; give at least one.`);
    keys.forEach((key, i) => checkKey(key, keys[i - 1], `${where}, key ${i + 1}`));
    count += keys.length;
  });
  if (count > 65536) refuse(`The points have ${count} keys together; at most 65536 are read.`);
}

/** @param {any} key @param {any} before @param {string} where */
function checkKey(key, before, where) {
  if (!Array.isArray(key) || key.length < 3 || key.length > 4) {
    refuse(`${where} must be a list [frame, x, y, visible].`);
  }
  number(key[0], 'frame', where, 0, 65536);
  where += ` (frame ${brief(key[0])})`;
  if (before && key[0] <= before[0]) refuse(`${where}: the key before is at frame ${before[0]}; sort them.`);
  numbers(key.slice(1, 3), 'x, y', `${where}, in fractions of the canvas`, [
    [-FAR, FAR],
    [-FAR, FAR],
  ]);
  whole(key[3] ?? 1, 'visible', where, 0, 2);
}

/** @param {any} document @returns {{id: string, text: string}[]} */
export function problems(document) {
  if (!document.points?.length) return [{ id: '', text: 'Nothing is drawn: click at least one point.' }];
  const all = document.points.every((/** @type {any} */ point) => point.neg === 1);
  return all ? [{ id: '', text: 'All points say "not this": click one that shall be followed.' }] : [];
}

/** A sampler of a point: frame of the timeline -> [x, y, visible] as drawn, also between the keys of a
 * clicked
 * point. @param {any} point @param {any} space */
export function sampler(point, space) {
  const { k, interp = 'track' } = point;
  const curve = new Curve(
    k.map((/** @type {any} */ key) => key[0]),
    k.map(() => (interp === 'hold' ? 'hold' : 'linear')),
    k.map((/** @type {any} */ key) => [key[1] * space.w, key[2] * space.h]),
    interp === 'smooth' ? 'smooth' : 'linear',
    'keys',
  );
  return (/** @type {number} */ frame) => {
    const [x, y] = curve.point(curve.place(Math.max(frame, k[0][0])));
    const last = k.findLast((/** @type {any} */ key) => key[0] <= frame) ?? k[0];
    return [x / space.w, y / space.h, (last[3] ?? 1) > 0 ? 1 : 0];
  };
}
