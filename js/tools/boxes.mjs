// The box tool: draw boxes and drag them through time.

import { ROLES } from '../core/boxes.mjs';
import { EASES } from '../core/curve.mjs';
import { changed } from '../core/edits.mjs';
import { t } from '../i18n/texts.mjs';
import { drawing, handleDragging, keyDragging, moving, resizing } from './boxes_gestures.mjs';
import { paintBoxes, paintStill } from './boxes_paint.mjs';
import { cornerAt, CORNERS, handlesOf, movedAt, placeOf, resized, withSize } from './boxes_shape.mjs';
import { nearest, retimed, segmentAt, shifted, withoutKey } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {{point: Point, px: Point, shift: boolean, alt: boolean, ctrl: boolean}} Touch */

const GRIP = 9;

export const boxes = {
  kind: 'boxes',
  modes: ['move', 'draw', 'static'],
  shortcuts: [
    ['H', 'keys_hold'],
    ['E', 'keys_ease'],
  ],

  /** @param {any} box */
  row: (box) => t(box.k.length === 1 ? 'key_count' : 'keys_count', { count: box.k.length }),

  /** @param {Model} model @param {string} object */
  assign: (model, object) =>
    model.edit(changed(model.doc, model.selection, (box) => ({ ...box, o: object }))),

  /** What lies under a point: a grip of the selection first, then its keys, then a box.
   * @param {Model} model @param {Touch} touch @returns {any} */
  hit(model, { point, px }) {
    const reach = /** @type {Point} */ ([px[0] * GRIP, px[1] * GRIP]);
    for (const box of model.selected) {
      const place = placeOf(model, box);
      const corner = nearest(
        CORNERS.map((c) => cornerAt(place, c)),
        point,
        reach,
      );
      if (corner >= 0) return { what: 'corner', box, corner: CORNERS[corner] };
      if (box.k.length > 1) {
        const key = nearest(
          box.k.map((/** @type {any} */ k) => [k.x, k.y]),
          point,
          reach,
        );
        if (key >= 0 && box.k[key].f !== model.frame) return { what: 'key', box, key };
      }
      if (box.path === 'bezier') {
        const handle = nearest(
          handlesOf(box).map((h) => h.at),
          point,
          reach,
        );
        if (handle >= 0) return { what: 'handle', box, ...handlesOf(box)[handle] };
      }
    }
    return bodyUnder(model, point, px);
  },

  /** Start a gesture. @param {Model} model @param {Touch} touch */
  press(model, touch) {
    const hit = model.mode === 'draw' ? null : this.hit(model, touch);
    if (!hit) return touch.shift ? null : drawing(model, touch);
    if (hit.what === 'corner') return resizing(model, hit);
    if (hit.what === 'key') return keyDragging(model, hit, touch);
    if (hit.what === 'handle') return handleDragging(model, hit, touch);
    if (touch.shift) model.select(new Set([...model.selection]).add(hit.box.id));
    else if (!model.selection.has(hit.box.id)) model.select([hit.box.id]);
    return moving(model, touch);
  },

  /** @param {Model} model @param {string} key */
  key(model, key) {
    if (key === 'h') return eased(model, (ease) => (ease === 'hold' ? 'linear' : 'hold'));
    if (key === 'e') return eased(model, (ease) => EASES[(EASES.indexOf(ease) + 1) % EASES.length]);
    return false;
  },

  /** Move the selection at this frame. @param {Model} model @param {Point} by @param {string} gesture */
  nudge(model, by, gesture) {
    model.edit(
      changed(model.doc, model.selection, (box) => movedAt(model, box, by, model.frame)),
      gesture,
    );
  },

  /** @param {Model} model */
  removeKey(model) {
    model.edit(changed(model.doc, model.selection, (box) => withoutKey(box, model.frame)));
  },

  /** Frames with keys. @param {any} box @returns {number[]} */
  keys: (box) => box.k.map((/** @type {any} */ key) => key.f),

  /** @param {any} box @param {number} i @param {number} frame @param {number} last */
  retime: (box, i, frame, last) => (i ? retimed(box, i, frame, last) : box),

  /** @param {any} box @param {Point} by */
  moved: (box, by) => shifted(box, by),

  /** @param {Model} model @param {any} box @param {number[]} area x0 y0 x1 y1 */
  within(model, box, [x0, y0, x1, y1]) {
    const [x, y] = placeOf(model, box);
    return x >= x0 && x <= x1 && y >= y0 && y <= y1;
  },

  paint: paintBoxes,
  paintStill,

  /** Numbers and choices of the selection. @param {Model} model */
  fields(model) {
    const box = model.selected[0];
    if (!box) return [];
    const { space, frame } = model;
    const [x, y, w, h] = placeOf(model, box);
    const set = (/** @type {any} */ change) =>
      model.edit(changed(model.doc, model.selection, (b) => ({ ...b, ...change })));
    const key = box.k[segmentAt(box, frame)];
    const moveTo = (/** @type {Point} */ by) => this.nudge(model, by, '');
    const sized = (/** @type {any} */ size) =>
      model.edit(changed(model.doc, new Set([box.id]), (b) => resized(model, b, { ...size })));
    return [
      { name: 'x', value: x * space.w, set: (/** @type {number} */ v) => moveTo([v / space.w - x, 0]) },
      { name: 'y', value: y * space.h, set: (/** @type {number} */ v) => moveTo([0, v / space.h - y]) },
      {
        name: 'w',
        value: w * space.w,
        low: 1,
        set: (/** @type {number} */ v) => sized({ w: v / space.w, h }),
      },
      {
        name: 'h',
        value: h * space.h,
        low: 1,
        set: (/** @type {number} */ v) => sized({ w, h: v / space.h }),
      },
      {
        name: 'role',
        value: box.role ?? 'object',
        options: ROLES,
        set: (/** @type {string} */ role) => set({ role }),
      },
      {
        name: 'size',
        value: box.size ?? 'fixed',
        options: ['fixed', 'keyed'],
        set: (/** @type {string} */ size) =>
          model.edit(changed(model.doc, model.selection, (b) => withSize(b, size))),
      },
      {
        name: 'path',
        value: box.path ?? 'linear',
        options: ['linear', 'smooth', 'bezier'],
        set: (/** @type {string} */ path) => set({ path }),
      },
      {
        name: 'timing',
        value: box.timing ?? 'keys',
        options: ['keys', 'arc'],
        set: (/** @type {string} */ timing) => set({ timing }),
      },
      {
        name: 'ease',
        value: key.ease ?? 'linear',
        options: EASES,
        set: (/** @type {string} */ ease) => eased(model, () => ease),
      },
    ];
  },
};

/** The smallest box under a point. @param {Model} model @param {Point} point @param {Point} px */
function bodyUnder(model, [x, y], px) {
  const under = model.entries.filter((box) => {
    const [cx, cy, w, h] = placeOf(model, box);
    return (
      !model.hidden.has(box.id) &&
      Math.abs(x - cx) <= w / 2 + px[0] * 3 &&
      Math.abs(y - cy) <= h / 2 + px[1] * 3
    );
  });
  const area = (/** @type {any} */ box) => placeOf(model, box)[2] * placeOf(model, box)[3];
  const box = under.sort((a, b) => area(a) - area(b))[0];
  return box ? { what: 'body', box } : null;
}

/** @param {Model} model @param {(ease: any) => any} change */
function eased(model, change) {
  if (!model.selection.size) return false;
  model.edit(
    changed(model.doc, model.selection, (box) => {
      const i = segmentAt(box, model.frame);
      return { ...box, k: box.k.with(i, { ...box.k[i], ease: change(box.k[i].ease ?? 'linear') }) };
    }),
  );
  return true;
}
