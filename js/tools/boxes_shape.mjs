// Shapes of boxes: where one is, and how a change of place or size becomes keys.

import { sampler, timesOf } from '../core/boxes.mjs';
import { once, placeAt, withKey } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */

export const CORNERS = /** @type {Point[]} */ ([
  [-1, -1],
  [0, -1],
  [1, -1],
  [1, 0],
  [1, 1],
  [0, 1],
  [-1, 1],
  [-1, 0],
]);

/** [cx, cy, w, h] of a box at a frame. @param {Model} model @param {any} box @param {number} frame */
export function placeOf(model, box, frame = model.frame) {
  return placeAt(box, model.space, frame, sampler);
}

/** The places of a box in the frames of the video to make. @param {Model} model @param {any} box */
export function dotsOf(model, box) {
  const { space } = model;
  const { frames } = model.size();
  return once(box, `dots ${space.w} ${space.h} ${space.frames} ${frames}`, () => {
    const place = sampler(box, space);
    return timesOf(space, frames).map((f) => /** @type {Point} */ (place(f).slice(0, 2)));
  });
}

/** @param {number[]} place @param {Point} corner @returns {Point} */
export const cornerAt = ([x, y, w, h], [cx, cy]) => [x + (cx * w) / 2, y + (cy * h) / 2];

/** Where the Bézier handles of a box are. @param {any} box
 * @returns {{key: number, side: 'in' | 'out', at: Point}[]} */
export function handlesOf(box) {
  return box.k.flatMap((/** @type {any} */ key, /** @type {number} */ i) => {
    const sides = /** @type {['in' | 'out', any][]} */ ([
      ['in', box.k[i - 1]],
      ['out', box.k[i + 1]],
    ]);
    return sides
      .filter(([, other]) => other)
      .map(([side, other]) => {
        const [dx, dy] = key[side] ?? [(other.x - key.x) / 3, (other.y - key.y) / 3];
        return { key: i, side, at: [key.x + dx, key.y + dy] };
      });
  });
}

/** A box moved at a frame: a key there, unless it stands still by its role.
 * @param {Model} model @param {any} box @param {Point} by @param {number} frame */
export function movedAt(model, box, [dx, dy], frame) {
  const [x, y, w, h] = placeOf(model, box, frame);
  const size = box.size === 'keyed' ? { w, h } : {};
  const at = box.role === 'static' ? 0 : frame;
  return withKey(box, at, { x: x + dx, y: y + dy }, size);
}

/** @param {Model} model @param {any} box @param {{w: number, h: number, x?: number, y?: number}} to */
export function resized(model, box, { w, h, x, y }) {
  const frame = box.role === 'static' ? 0 : model.frame;
  const has = box.k.some((/** @type {any} */ key) => key.f === frame);
  if (box.size === 'keyed') {
    const [cx, cy] = placeOf(model, box, frame);
    return withKey(box, frame, { x: x ?? cx, y: y ?? cy, w, h });
  }
  const centred = has && x !== undefined ? withKey(box, frame, { x, y }) : box;
  return {
    ...centred,
    k: centred.k.map((/** @type {any} */ key, /** @type {number} */ i) => (i ? bare(key) : { ...key, w, h })),
  };
}

/** @param {any} key a key without a size of its own */
function bare({ w: _w, h: _h, ...key }) {
  return key;
}

/** @param {any} box @param {string} size */
export function withSize(box, size) {
  const { w, h } = box.k[0];
  const k = box.k.map((/** @type {any} */ key, /** @type {number} */ i) => {
    if (!i) return key;
    return size === 'keyed' ? { ...key, w: key.w ?? w, h: key.h ?? h } : bare(key);
  });
  return { ...box, size, k };
}
