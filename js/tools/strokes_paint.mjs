// How strokes look: the way with one dot a frame and an arrow rest; the place at the frame moves over them.

import { timesOf } from '../core/boxes.mjs';
import { curveOf, sampler } from '../core/strokes.mjs';
import { once, placeAt, wayOf } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {import('../core/pen.mjs').Pen} Pen */

/** @param {any} stroke @param {any} space */
export const lineOf = (stroke, space) => wayOf(stroke, space, curveOf);

/** @param {Pen} pen @param {Model} model @param {any[]} strokes @param {{playing: boolean}} state */
export function paintStill(pen, model, strokes, { playing }) {
  for (const stroke of strokes) {
    const selected = !playing && model.selection.has(stroke.id);
    if (stroke.k.length > 1) paintWay(pen, model, stroke, selected);
    if (selected && stroke.k.length <= 64) {
      const style = { color: '#fff', fill: model.colorOf(stroke), width: 1.25 };
      for (const key of stroke.k) pen.diamond([key.x, key.y], 5, style);
    }
  }
}

/** @param {Pen} pen @param {Model} model @param {{playing: boolean, hover: any}} state */
export function paintStrokes(pen, model, { playing, hover }) {
  for (const stroke of model.entries) {
    if (model.hidden.has(stroke.id)) continue;
    const color = model.colorOf(stroke);
    const now = placeAt(stroke, model.space, model.frame, sampler);
    if (stroke.k.length === 1) pen.dot(now, 9, { color, width: 1.5, dash: [3, 3] });
    pen.dot(now, 4.5, { color: '#fff', fill: color, width: 1.5 });
    const hovered = hover?.id === stroke.id;
    if (!playing && (hovered || model.selection.has(stroke.id))) pen.text(model.nameOf(stroke), now, 9, -7);
    if (hovered && !playing && !model.selection.has(stroke.id))
      pen.line(lineOf(stroke, model.space), { color, width: 2 });
  }
}

/** @param {Pen} pen @param {Model} model @param {any} stroke @param {boolean} selected */
function paintWay(pen, model, stroke, selected) {
  const color = model.colorOf(stroke);
  const { space } = model;
  const { frames } = model.size();
  const dash = stroke.role === 'camera' ? [3, 5] : [];
  pen.line(lineOf(stroke, space), { color, width: selected ? 2 : 1.5, dash, alpha: selected ? 1 : 0.8 });
  const dots = once(stroke, `dots ${space.w} ${space.h} ${space.frames} ${frames}`, () =>
    timesOf(space, frames).map(sampler(stroke, space)),
  );
  pen.dots(dots, selected ? 2.2 : 1.7, { color: '#fff', alpha: selected ? 1 : 0.7 });
  arrow(pen, lineOf(stroke, space), color);
}

/** The head at the end of a way. @param {Pen} pen @param {Point[]} way
 * @param {string} color */
function arrow(pen, way, color) {
  const end = pen.at(way[way.length - 1]);
  const before = way
    .toReversed()
    .map((p) => pen.at(p))
    .find(([x, y]) => Math.hypot(x - end[0], y - end[1]) > 9);
  if (!before) return;
  const angle = Math.atan2(end[1] - before[1], end[0] - before[0]);
  const side = (/** @type {number} */ by) =>
    `${end[0] - 9 * Math.cos(angle + by)} ${end[1] - 9 * Math.sin(angle + by)}`;
  pen.path(new Path2D(`M${side(0.5)}L${end[0]} ${end[1]}L${side(-0.5)}`), { color, width: 2 });
}
