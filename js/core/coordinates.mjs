// Coordinate strings of other packs: a list of {x, y} in pixels, or several such lists.

import { blank } from './document.mjs';
import { number, refuse, mapping } from './check.mjs';
import { COLORS } from './palette.mjs';

/** A list as a drawing of strokes or points on the node's canvas. @param {any[]} value @param {string} kind
 * @param {{w: number, h: number, frames: number, fps: number}} size */
export function fromCoordinates(value, kind, size) {
  if (!/strokes|points/.test(kind)) {
    refuse('This is a coordinate string: it holds points without a size, so nothing can be made of it here.');
  }
  const lists = Array.isArray(value[0]) ? value : [value];
  const tracks = lists.map((list, n) => {
    if (!Array.isArray(list) || !list.length) refuse(`track ${n + 1} must be a list of at least one {x, y}.`);
    return list.map((entry, i) => placed(entry, `track ${n + 1}, point ${i + 1}`, size));
  });
  const small = tracks.flat().every(([x, y]) => x * size.w <= 1 && y * size.h <= 1);
  if (small && tracks.flat().length > 1) {
    refuse(
      'This coordinate string seems to be normalised, in a way that cannot be undone: link coord_str instead.',
    );
  }
  const doc = blank(kind, size);
  if (kind === 'strokes')
    doc.objects = tracks.map((_, n) => ({ id: `o${n + 1}`, name: `track ${n + 1}`, color: color(n) }));
  else doc.objects = [{ id: 'o1', name: 'track 1', color: color(0) }];
  doc[kind] = kind === 'strokes' ? tracks.map(stroke) : tracks.flat().map(point);
  return doc;
}

/** @param {number} n */
const color = (n) => COLORS[n % COLORS.length];

/** @param {any} entry @param {string} where @param {{w: number, h: number}} size @returns {[number, number]} */
function placed(entry, where, size) {
  mapping(entry, where);
  return [number(entry.x, 'x', where, -1e6, 1e6) / size.w, number(entry.y, 'y', where, -1e6, 1e6) / size.h];
}

/** @param {[number, number][]} track @param {number} n */
function stroke(track, n) {
  const k = track.map(([x, y]) => ({ x, y }));
  return { id: `s${n + 1}`, o: `o${n + 1}`, role: 'object', path: 'linear', timing: 'index', k };
}

/** @param {[number, number]} place @param {number} n */
function point([x, y], n) {
  return { id: `p${n + 1}`, o: 'o1', neg: 0, interp: 'track', k: [[0, x, y, 1]] };
}
