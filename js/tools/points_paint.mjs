// How points look: seen ones are discs, hidden ones rings, "not this" crosses; where they were is thin.
// Ways rest on the still layer; the points themselves are drawn in every frame.

import { sampler } from '../core/points.mjs';
import { placeOf } from './points.mjs';

const MANY = 500; // from here on points are small, and those with one key rest, too

/** @typedef {import('../core/pen.mjs').Pen} Pen */
/** @typedef {import('../core/model.mjs').Model} Model */

/** What does not change with the frame. @param {Pen} pen @param {Model} model @param {any[]} points
 * @param {{playing: boolean}} state */
export function paintStill(pen, model, points, { playing }) {
  const selected = (/** @type {any} */ point) => !playing && model.selection.has(point.id);
  for (const { path, style } of waysOf(pen, model, points, selected)) pen.path(path, style);
  for (const point of points.filter(selected)) paintKeys(pen, point, model.colorOf(point));
  if (model.entries.length > MANY) paintMany(pen, model, points.filter(rests));
}

/** What moves with the frame. @param {Pen} pen @param {Model} model
 * @param {{playing: boolean, hover: any, moving: any[]}} state */
export function paintPoints(pen, model, { playing, hover, moving }) {
  const many = model.entries.length > MANY;
  const shown = model.entries.filter(
    (p) => !model.hidden.has(p.id) && !(many && rests(p) && !moving.includes(p)),
  );
  if (many) return paintMany(pen, model, shown);
  for (const point of shown) {
    const selected = !playing && model.selection.has(point.id);
    paintPoint(pen, model, point, selected, hover?.id === point.id);
  }
}

/** @param {any} point */
const rests = (point) => point.k.length === 1;

/** The ways of points, one path a look. @param {Pen} pen @param {Model} model @param {any[]} points
 * @param {(point: any) => boolean} selected */
function waysOf(pen, model, points, selected) {
  /** @type {Map<string, {path: Path2D, style: any}>} */ const groups = new Map();
  for (const point of points) {
    const [color, strong] = [model.colorOf(point), selected(point)];
    for (let i = 1; i < point.k.length; ) {
      const first = i - 1;
      const hides = point.k[first][3] === 0;
      while (i < point.k.length && (point.k[i - 1][3] === 0) === hides) i++;
      const dash = hides ? [2, 5] : point.interp === 'hold' ? [1, 6] : [];
      const look = `${color} ${dash} ${strong}`;
      const style = { color, width: 1, dash, alpha: strong ? 0.9 : 0.4 };
      if (!groups.has(look)) groups.set(look, { path: new Path2D(), style });
      pen.trace(/** @type {any} */ (groups.get(look)).path, wayOf(model, point, point.k.slice(first, i)));
    }
  }
  return groups.values();
}

/** Points of a way through some keys. @param {Model} model @param {any} point @param {any[]} keys */
function wayOf({ space }, point, keys) {
  if (point.interp !== 'smooth') return keys.map(([, x, y]) => [x, y]);
  const at = sampler(point, space);
  const [first, last] = [keys[0][0], keys[keys.length - 1][0]];
  const steps = Math.min((keys.length - 1) * 12, 2000);
  return Array.from({ length: steps + 1 }, (_, n) => at(first + ((last - first) * n) / steps));
}

/** @param {Pen} pen @param {any} point @param {string} color */
function paintKeys(pen, point, color) {
  for (const key of point.k.length > 1 ? point.k : []) {
    const fill = (key[3] ?? 1) ? color : undefined;
    pen.diamond([key[1], key[2]], 4, { color: '#fff', fill, width: 1, alpha: 0.9 });
  }
}

/** @param {Pen} pen @param {Model} model @param {any} point @param {boolean} selected
 * @param {boolean} hover */
function paintPoint(pen, model, point, selected, hover) {
  const place = placeOf(model, point);
  const color = model.colorOf(point);
  const frame = Math.round(model.frame);
  const known = point.interp !== 'track' || point.k.some((/** @type {any} */ key) => key[0] === frame);
  const alpha = known ? 1 : 0.45;
  const radius = selected || hover ? 6.5 : 5;
  if (point.neg)
    pen.stamp('cross', [place], radius * 0.8, { color: selected ? '#fff' : '#ff5d5d', width: 2.5, alpha });
  else if (!place[2]) pen.dot(place, radius, { color, width: 2, alpha });
  else {
    const rim = selected ? '#fff' : 'rgba(255,255,255,.75)';
    pen.dot(place, radius, { color: rim, fill: color, width: selected ? 2 : 1.25, alpha });
  }
  if (selected || hover) pen.text(model.nameOf(point), place, 10, -8);
}

/** @param {Pen} pen @param {Model} model @param {any[]} shown */
function paintMany(pen, model, shown) {
  /** @type {Map<string, any[]>} */ const byColor = new Map();
  for (const point of shown) {
    const color = model.selection.has(point.id) ? '#ffffff' : model.colorOf(point);
    if (!byColor.has(color)) byColor.set(color, []);
    byColor.get(color)?.push(placeOf(model, point));
  }
  for (const [color, places] of byColor) pen.dots(places, 3, { color });
}
