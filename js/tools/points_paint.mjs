// How points look: seen ones are discs, hidden ones rings, "not this" crosses; where they were is thin.

import { placeOf } from './points.mjs';

const MANY = 500; // from here on points are drawn in one stroke a colour

/** @typedef {import('../core/pen.mjs').Pen} Pen */
/** @typedef {import('../core/model.mjs').Model} Model */

/** @param {Pen} pen @param {Model} model @param {{playing: boolean, hover: any}} state */
export function paintPoints(pen, model, { playing, hover }) {
  const shown = model.entries.filter((point) => !model.hidden.has(point.id));
  const selected = (/** @type {any} */ point) => !playing && model.selection.has(point.id);
  paintWays(pen, model, shown, selected);
  if (shown.length > MANY) return paintMany(pen, model, shown);
  for (const point of shown)
    paintPoint(pen, model, point, { selected: selected(point), hover: hover?.id === point.id });
}

/** The ways of all points, one stroke a colour and dash: 200 points of 49 keys must stay smooth.
 * @param {Pen} pen @param {Model} model @param {any[]} shown @param {(point: any) => boolean} selected */
function paintWays(pen, model, shown, selected) {
  /** @type {Map<string, {path: Path2D, style: any}>} */ const groups = new Map();
  for (const point of shown) {
    const [color, strong] = [model.colorOf(point), selected(point)];
    for (let i = 1; i < point.k.length; i++) {
      const from = point.k[i - 1];
      const dash = from[3] === 0 ? [2, 5] : point.interp === 'hold' ? [1, 6] : [];
      const key = `${color} ${dash} ${strong}`;
      if (!groups.has(key)) {
        groups.set(key, { path: new Path2D(), style: { color, width: 1, dash, alpha: strong ? 0.9 : 0.4 } });
      }
      const path = groups.get(key)?.path;
      path?.moveTo(...pen.at([from[1], from[2]]));
      path?.lineTo(...pen.at([point.k[i][1], point.k[i][2]]));
    }
  }
  for (const { path, style } of groups.values()) pen.path(path, style);
  for (const point of shown.filter(selected)) paintKeys(pen, point, model.colorOf(point));
}

/** @param {Pen} pen @param {any} point @param {string} color */
function paintKeys(pen, point, color) {
  for (const key of point.k.length > 1 ? point.k : []) {
    const fill = (key[3] ?? 1) ? color : undefined;
    pen.diamond([key[1], key[2]], 4, { color: '#fff', fill, width: 1, alpha: 0.9 });
  }
}

/** @param {Pen} pen @param {Model} model @param {any} point
 * @param {{selected: boolean, hover: boolean}} state */
function paintPoint(pen, model, point, { selected, hover }) {
  const [x, y, seen] = placeOf(model, point);
  const color = model.colorOf(point);
  const known =
    point.interp !== 'track' || point.k.some((/** @type {any} */ key) => key[0] === Math.round(model.frame));
  const alpha = known ? 1 : 0.45;
  const radius = selected || hover ? 6.5 : 5;
  if (point.neg) {
    const [cx, cy] = pen.at([x, y]);
    const r = radius * 0.8;
    const cross = new Path2D(`M${cx - r} ${cy - r}l${2 * r} ${2 * r}M${cx - r} ${cy + r}l${2 * r} ${-2 * r}`);
    pen.path(cross, { color: selected ? '#fff' : '#ff5d5d', width: 2.5, alpha });
  } else if (seen)
    pen.dot([x, y], radius, {
      color: selected ? '#fff' : 'rgba(255,255,255,.75)',
      fill: color,
      width: selected ? 2 : 1.25,
      alpha,
    });
  else pen.dot([x, y], radius, { color, width: 2, alpha });
  if (selected || hover) pen.text(model.nameOf(point), [x, y], 10, -8);
}

/** @param {Pen} pen @param {Model} model @param {any[]} shown */
function paintMany(pen, model, shown) {
  /** @type {Map<string, [number, number][]>} */ const byColor = new Map();
  for (const point of shown) {
    const color = model.selection.has(point.id) ? '#ffffff' : model.colorOf(point);
    const [x, y] = placeOf(model, point);
    if (!byColor.has(color)) byColor.set(color, []);
    byColor.get(color)?.push([x, y]);
  }
  for (const [color, places] of byColor) pen.dots(places, 3, { color });
}
