// Drawings of masks: their rules (choreo/controls/mask_document.py).

import { choice, mapping, number, numbers, refuse, rows, shown, whole } from './check.mjs';
import { eachEntry } from './document.mjs';

export const GRID = 8192;
const FAR = 10;

/** Raise a sentence at the first entry that is wrong. @param {any} document */
export function check(document) {
  const sum = { ops: 0, points: 0 };
  eachEntry(document, 'layer', 64, (layer, where) => {
    number(layer.feather ?? 0, 'feather', where, 0, 0.25);
    whole(layer.invert ?? 0, 'invert', where, 0, 1);
    whole(layer.hidden ?? 0, 'hidden', where, 0, 1);
    rows(layer, 'ops', where, 4096).forEach((op, i) => {
      sum.ops += 1;
      sum.points += checkOperation(
        mapping(op, `${where}, operation ${i + 1}`),
        `${where}, operation ${i + 1}`,
      );
    });
  });
  if (sum.ops > 4096) refuse(`The layers have ${sum.ops} operations together; at most 4096 are read.`);
  if (sum.points > 65536) refuse(`The layers have ${sum.points} points together; at most 65536 are read.`);
}

/** Its count of points. @param {any} op @param {string} where @returns {number} */
function checkOperation(op, where) {
  if (!('t' in op)) refuse(`${where}: t is missing; it must be stroke, poly, rect or raster.`);
  const kind = choice(op, 't', where, ['stroke', 'poly', 'rect', 'raster']);
  choice(op, 'm', where, ['add', 'sub']);
  if (kind === 'rect') {
    numbers(op.b, 'b', where, [
      [-FAR, FAR],
      [-FAR, FAR],
      [0, FAR],
      [0, FAR],
    ]);
    return 0;
  }
  if (kind === 'raster') {
    const size = ['w', 'h'].map((side) => whole(op[side], side, where, 1, 2048));
    const found = runs(op.rle, where).reduce((a, b) => a + b, 0);
    if (found !== size[0] * size[1])
      refuse(`${where}: rle holds ${found} cells, not ${size[0]} x ${size[1]}.`);
    return 0;
  }
  if (kind === 'stroke') {
    number(op.r, 'r', where, 0, 2);
    number(op.hd ?? 1, 'hd', where, 0, 1);
  }
  const least = kind === 'poly' ? 6 : 2;
  if (!Array.isArray(op.p) || op.p.length % 2 || op.p.length < least) {
    refuse(`${where}: p has ${op.p?.length} numbers; give pairs, at least ${least / 2}.`);
  }
  const far = GRID * 2 * FAR;
  op.p.forEach((/** @type {any} */ v, /** @type {number} */ i) =>
    whole(v, `p, entry ${i + 1}`, where, -far, far),
  );
  return op.p.length / 2;
}

/** Run lengths of a raster, of 0s and 1s in turn: base64 of LEB128 numbers. @param {any} text
 * @param {string} where @returns {number[]} */
export function runs(text, where = 'raster') {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) {
    refuse(`${where}: rle = ${shown(text)} must be base64 text.`);
  }
  const made = [];
  let [value, shift] = [0, 0];
  for (const char of atob(text)) {
    const byte = char.charCodeAt(0);
    value += (byte & 127) * 2 ** shift;
    shift += 7;
    if (byte < 128) {
      made.push(value);
      [value, shift] = [0, 0];
    }
    if (shift > 35) refuse(`${where}: rle holds a run that is too long.`);
  }
  return made;
}

/** @param {any} document @returns {{id: string, text: string}[]} */
export function problems(document) {
  return document.layers?.length ? [] : [{ id: '', text: 'Nothing is painted: brush over what shall move.' }];
}

/** Positions of a stroke or polygon in fractions. @param {number[]} p @returns {[number, number][]} */
export function positions(p) {
  const made = /** @type {[number, number][]} */ ([]);
  let [x, y] = [0, 0];
  for (let i = 0; i < p.length; i += 2) {
    [x, y] = [x + p[i], y + p[i + 1]];
    made.push([x / GRID, y / GRID]);
  }
  return made;
}

/** The numbers of positions: whole, on the grid, first absolute, then differences.
 * @param {[number, number][]} points @returns {number[]} */
export function packed(points) {
  let [x, y] = [0, 0];
  return points.flatMap(([px, py]) => {
    const [gx, gy] = [Math.round(px * GRID), Math.round(py * GRID)];
    const step = [gx - x, gy - y];
    [x, y] = [gx, gy];
    return step;
  });
}
