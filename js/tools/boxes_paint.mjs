// How boxes look: the way with one dot a frame, keys, ghosts, the box itself with its grips.

import { CORNERS, dotsOf, handlesOf, placeOf } from './boxes_shape.mjs';
import { wayOf } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {import('../core/pen.mjs').Pen} Pen */

/** The ways, which do not change with the frame. @param {Pen} pen @param {Model} model @param {any[]} boxes
 * @param {{playing: boolean}} state */
export function paintStill(pen, model, boxes, { playing }) {
  for (const box of boxes.filter((b) => b.k.length > 1))
    paintWay(pen, model, box, model.selection.has(box.id) && !playing);
}

/** @param {Pen} pen @param {Model} model @param {{playing: boolean, hover: any}} state */
export function paintBoxes(pen, model, { playing, hover }) {
  const wrong = new Map(model.problems.map(({ id, text }) => [id, text]));
  for (const box of model.entries) {
    if (model.hidden.has(box.id)) continue;
    const selected = model.selection.has(box.id) && !playing;
    if (box.k.length > 1 && selected) paintKeys(pen, model, box);
    paintBody(pen, model, box, model.colorOf(box), {
      selected,
      wrong: wrong.has(box.id),
      hover: hover?.box?.id === box.id,
    });
  }
}

/** @param {Pen} pen @param {Model} model @param {any} box @param {boolean} selected */
function paintWay(pen, model, box, selected) {
  const color = model.colorOf(box);
  pen.line(wayOf(box, model.space), { color, width: 1.25, alpha: selected ? 0.95 : 0.5 });
  const dots = dotsOf(model, box);
  pen.dots(dots, selected ? 2.4 : 1.8, { color, alpha: selected ? 1 : 0.65 });
  if (selected) labelDots(pen, dots);
}

/** @param {Pen} pen @param {Model} model @param {any} box */
function paintKeys(pen, model, box) {
  const color = model.colorOf(box);
  for (const key of box.k) {
    const [, , w, h] = placeOf(model, box, key.f);
    if (key.f !== model.frame) pen.box([key.x, key.y, w, h], { color, width: 1, alpha: 0.3, dash: [4, 4] });
    pen.diamond([key.x, key.y], 5.5, {
      color: '#fff',
      fill: key.f === model.frame ? '#fff' : color,
      width: 1.25,
    });
  }
  if (box.path === 'bezier') paintHandles(pen, box);
}

/** Every fifth frame's number, where there is room for it. @param {Pen} pen @param {Point[]} dots */
function labelDots(pen, dots) {
  let last = /** @type {Point} */ ([-99, -99]);
  for (let i = 0; i < dots.length; i += 5) {
    const at = pen.at(dots[i]);
    if (Math.hypot(at[0] - last[0], at[1] - last[1]) < 16) continue;
    pen.text(String(i), dots[i], 5, -5, { color: '#e8edf5', alpha: 0.9 });
    last = at;
  }
}

/** @param {Pen} pen @param {any} box */
function paintHandles(pen, box) {
  for (const { key, at } of handlesOf(box)) {
    pen.line([[box.k[key].x, box.k[key].y], at], { color: '#cfd8e6', width: 1, alpha: 0.8 });
    pen.dot(at, 4, { color: '#fff', fill: '#2b3342', width: 1.25 });
  }
}

/** @param {Pen} pen @param {Model} model @param {any} box @param {string} color
 * @param {{selected: boolean, wrong: boolean, hover: boolean}} state */
function paintBody(pen, model, box, color, { selected, wrong, hover }) {
  const place = placeOf(model, box);
  const [x, y, w, h] = place;
  const dash = box.role === 'static' ? [6, 4] : box.role === 'camera' ? [2, 4] : [];
  const stroke = wrong ? '#ff4d4d' : color;
  const fill = selected || hover ? `${color}22` : undefined;
  pen.box(place, { color: stroke, width: selected ? 2.25 : 1.5, dash, fill });
  /** @type {Point} */
  const corner = [Math.max(x - w / 2, 0), Math.max(y - h / 2, 0)];
  const low = y - h / 2 < 0.05;
  pen.text(model.nameOf(box), corner, 3, low ? 14 : -6, { color: '#fff' });
  if (!selected) return;
  for (const [cx, cy] of CORNERS) {
    pen.dot([x + (cx * w) / 2, y + (cy * h) / 2], 3.6, { color: stroke, fill: '#fff', width: 1.25 });
  }
  pen.dot([x, y], 2.2, { color: '#fff', fill: '#fff', width: 0 });
}
