// Drawings of boxes: their rules and where a box is at a frame (choreo/controls/drawn_box.py).

import { brief, choice, mapping, number, numbers, refuse, rows, shown } from './check.mjs';
import { Curve, EASES } from './curve.mjs';
import { eachEntry } from './document.mjs';

export const ROLES = ['object', 'static', 'camera'];
const SMALLEST = 1e-4;
const FAR = 10;
const ROUNDING = 0.75e-4;

/** Raise a sentence at the first entry that is wrong. @param {any} document */
export function check(document) {
  let count = 0;
  eachEntry(document, 'box', 64, (box, where) => {
    choice(box, 'role', where, ROLES);
    choice(box, 'size', where, ['fixed', 'keyed']);
    choice(box, 'path', where, ['linear', 'smooth', 'bezier']);
    choice(box, 'timing', where, ['keys', 'arc']);
    checkKeys(box, where);
    count += box.k.length;
  });
  if (count > 4096) refuse(`The boxes have ${count} keys together; at most 4096 are read.`);
}

/** What would stop the node: nothing drawn, or a box that starts outside. @param {any} document
 * @returns {{id: string, text: string}[]} */
export function problems(document) {
  if (!document.boxes?.length) return [{ id: '', text: 'Nothing is drawn: draw at least one box.' }];
  return document.boxes.flatMap((/** @type {any} */ box) => {
    const name = document.objects?.find((/** @type {any} */ o) => o.id === box.o)?.name;
    const text = outside(box.k[0]);
    const where = `box "${box.id}"${name ? ` (${name})` : ''}, key 1 (frame 0)`;
    return text ? [{ id: box.id, text: `${where}: ${text}; the first key must lie inside the image.` }] : [];
  });
}

/** Where the first key leaves the canvas, in words; empty when it does not. @param {any} key */
function outside({ x, y, w, h }) {
  const edges = [
    ['left', w / 2 - x],
    ['top', h / 2 - y],
    ['right', x + w / 2 - 1],
    ['bottom', y + h / 2 - 1],
  ];
  const over = /** @type {[string, number] | undefined} */ (edges.find(([, by]) => Number(by) > ROUNDING));
  return over ? `its ${over[0]} edge is ${brief(over[1])} outside` : '';
}

/** @param {any} box @param {string} name */
function checkKeys(box, name) {
  const keys = rows(box, 'k', name, 4096);
  if (!keys.length) refuse(`${name} has no keys; give at least one at frame 0.`);
  keys.forEach((entry, i) => {
    let where = `${name}, key ${i + 1}`;
    const frame = number(mapping(entry, where).f, 'f', where, 0, 65536);
    where += ` (frame ${brief(frame)})`;
    if (!i && frame) refuse(`${where}: the first key must have f = 0.`);
    if (i && frame <= keys[i - 1].f)
      refuse(`${where}: the key before is at frame ${keys[i - 1].f}; sort them.`);
    checkKey(entry, where, i > 0 && box.size !== 'keyed' ? keys[0] : null);
  });
}

/** @param {any} key @param {string} where @param {any} fixed the first key, whose size holds */
function checkKey(key, where, fixed) {
  const place = `${where}, in fractions of the canvas`;
  number(key.x, 'x', place, -FAR, FAR);
  number(key.y, 'y', place, -FAR, FAR);
  for (const side of ['w', 'h']) {
    const value = number(key[side] ?? fixed?.[side], side, place, SMALLEST, FAR);
    if (fixed && value !== fixed[side])
      refuse(`${where}: the size of the box is "fixed", but ${side} differs.`);
    const handle = key[side === 'w' ? 'in' : 'out'];
    if (handle)
      numbers(handle, 'handle', where, [
        [-FAR, FAR],
        [-FAR, FAR],
      ]);
  }
  checkEase(key.ease ?? 'linear', where);
}

/** @param {any} ease @param {string} where */
export function checkEase(ease, where) {
  if (Array.isArray(ease))
    numbers(ease, 'ease', where, [
      [0, 1],
      [-FAR, FAR],
      [0, 1],
      [-FAR, FAR],
    ]);
  else if (!EASES.includes(ease))
    refuse(`${where}: ease = ${shown(ease)} must be one of ${EASES.join(', ')}.`);
}

/** The path of a box or stroke, in pixels of the drawing's canvas. @param {any} entry @param {any} space */
export function curveOf(entry, space) {
  const handle = (/** @type {any} */ h) => (h ? [h[0] * space.w, h[1] * space.h] : null);
  return new Curve(
    entry.k.map((/** @type {any} */ key) => key.f),
    entry.k.map((/** @type {any} */ key) => key.ease ?? 'linear'),
    entry.k.map((/** @type {any} */ key) => [key.x * space.w, key.y * space.h]),
    entry.path ?? 'linear',
    entry.timing ?? 'keys',
    entry.k.map((/** @type {any} */ key) => ({ in: handle(key.in), out: handle(key.out) })),
  );
}

/** A sampler of a box: frame of the timeline -> [cx, cy, w, h] in fractions. @param {any} box
 * @param {any} space */
export function sampler(box, space) {
  const curve = curveOf(box, space);
  const sizes = ['w', 'h'].map((side) => box.k.map((/** @type {any} */ key) => key[side] ?? box.k[0][side]));
  return (/** @type {number} */ frame) => {
    const place = curve.place(frame);
    const [x, y] = curve.point(place);
    return [x / space.w, y / space.h, curve.mix(sizes[0], place), curve.mix(sizes[1], place)];
  };
}

/** Frames of the timeline that T output frames show. @param {any} space @param {number} frames */
export function timesOf(space, frames) {
  return Array.from({ length: frames }, (_, i) => (i * (space.frames - 1)) / Math.max(frames - 1, 1));
}
