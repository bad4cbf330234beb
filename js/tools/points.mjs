// The point tool: click sparse points on the reference, correct and hide them over time.

import { added, changed, freshId, withObject } from '../core/edits.mjs';
import { INTERPS, sampler } from '../core/points.mjs';
import { t } from '../i18n/texts.mjs';
import { paintPoints, paintStill } from './points_paint.mjs';
import { placeAt, straight } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {{point: Point, px: Point, shift: boolean, alt: boolean, ctrl: boolean}} Touch */

const GRIP = 10;

/** [x, y, visible] of a point at a frame. @param {Model} model @param {any} point @param {number} frame */
export function placeOf(model, point, frame = model.frame) {
  return placeAt(point, model.space, frame, sampler);
}

export const points = {
  kind: 'points',
  modes: ['move', 'positive', 'negative'],
  start: 'positive',
  movesFirst: true,
  shortcuts: [
    ['Alt', 'keys_occlude'],
    ['O', 'keys_occlude_key'],
  ],

  /** @param {any} point */
  row: (point) =>
    point.neg
      ? t('not_this')
      : t(point.k.length === 1 ? 'key_count' : 'keys_count', { count: point.k.length }),

  /** @param {Model} model @param {string} object */
  assign: (model, object) => model.edit(changed(model.doc, model.selection, (p) => ({ ...p, o: object }))),

  /** @param {Model} model @param {Touch} touch @returns {any} */
  hit(model, { point, px }) {
    const [rx, ry] = [px[0] * GRIP, px[1] * GRIP];
    let best = 1;
    /** @type {any} */ let entry = null;
    for (const p of model.entries) {
      const [x, y] = placeOf(model, p);
      const away = ((x - point[0]) / rx) ** 2 + ((y - point[1]) / ry) ** 2;
      if (away <= best && !model.hidden.has(p.id)) [best, entry] = [away, p];
    }
    return entry && { what: 'body', id: entry.id, entry };
  },

  /** @param {Model} model @param {Touch} touch */
  press(model, touch) {
    const hit = this.hit(model, touch);
    if (!hit) return null;
    if (touch.shift) model.select(new Set([...model.selection]).add(hit.id));
    else if (!model.selection.has(hit.id)) model.select([hit.id]);
    return moving(model, touch);
  },

  /** A click beside the points: a new one, or nothing selected. @param {Model} model @param {Touch} touch */
  click(model, { point: [x, y] }) {
    if (model.mode === 'move') return false;
    const chosen = model.objects.find((o) => o.id === model.object) ?? model.objects.at(-1);
    const [doc, object] = chosen ? [model.doc, chosen.id] : withObject(model.doc, t('object').toLowerCase());
    const id = freshId(doc.points, 'p');
    const neg = model.mode === 'negative' ? 1 : 0;
    const k = [[Math.round(model.frame), x, y, 1]];
    model.edit(added(doc, { id, o: object, neg, interp: 'track', k }));
    model.select([id]);
    return true;
  },

  /** @param {Model} model @param {string} key */
  key(model, key) {
    if (key.toLowerCase() !== 'o' || !model.selection.size) return false;
    model.edit(changed(model.doc, model.selection, (point) => occluded(model, point)));
    return true;
  },

  /** @param {Model} model @param {Point} by @param {string} gesture */
  nudge(model, by, gesture) {
    model.edit(
      changed(model.doc, model.selection, (point) => movedAt(model, point, by)),
      gesture,
    );
  },

  /** @param {Model} model */
  removeKey(model) {
    model.edit(
      changed(model.doc, model.selection, (point) => {
        const k = point.k.filter((/** @type {any} */ key) => key[0] !== model.frame);
        return k.length ? { ...point, k } : point;
      }),
    );
  },

  /** @param {any} point @returns {number[]} */
  keys: (point) => point.k.map((/** @type {any} */ key) => key[0]),

  /** @param {any} point @param {number} i @param {number} frame @param {number} last */
  retime(point, i, frame, last) {
    const low = (point.k[i - 1]?.[0] ?? -1) + 1;
    const high = (point.k[i + 1]?.[0] ?? last + 1) - 1;
    const f = Math.min(Math.max(Math.round(frame), low), high);
    return { ...point, k: point.k.with(i, point.k[i].with(0, f)) };
  },

  /** @param {any} point @param {Point} by */
  moved: (point, [dx, dy]) => ({
    ...point,
    k: point.k.map((/** @type {any} */ [f, x, y, ...rest]) => [f, x + dx, y + dy, ...rest]),
  }),

  /** @param {Model} model @param {any} point @param {number[]} area */
  within(model, point, [x0, y0, x1, y1]) {
    const [x, y] = placeOf(model, point);
    return x >= x0 && x <= x1 && y >= y0 && y <= y1;
  },

  paint: paintPoints,
  paintStill,

  /** @param {Model} model */
  fields(model) {
    const point = model.selected[0];
    if (!point) return [];
    const { w, h } = model.space;
    const [x, y, seen] = placeOf(model, point);
    const set = (/** @type {any} */ change) =>
      model.edit(changed(model.doc, model.selection, (p) => ({ ...p, ...change })));
    const occlude = () => model.edit(changed(model.doc, model.selection, (p) => occluded(model, p)));
    return [
      {
        name: 'x',
        value: x * w,
        step: 0.5,
        set: (/** @type {number} */ v) => this.nudge(model, [v / w - x, 0], ''),
      },
      {
        name: 'y',
        value: y * h,
        step: 0.5,
        set: (/** @type {number} */ v) => this.nudge(model, [0, v / h - y], ''),
      },
      { name: 'visible', value: seen ? 'seen' : 'occluded', options: ['seen', 'occluded'], set: occlude },
      {
        name: 'interp',
        value: point.interp ?? 'track',
        options: INTERPS,
        set: (/** @type {string} */ interp) => set({ interp }),
      },
      {
        name: 'meaning',
        value: point.neg ? 'not_this' : 'this',
        options: ['this', 'not_this'],
        set: (/** @type {string} */ v) => set({ neg: v === 'this' ? 0 : 1 }),
      },
    ];
  },
};

/** A key at the present frame, changed. @param {Model} model @param {any} point
 * @param {(key: number[]) => number[]} change */
function withKey(model, point, change) {
  const frame = point.interp === 'hold' && point.k.length === 1 ? point.k[0][0] : Math.round(model.frame);
  const at = point.k.findIndex((/** @type {any} */ key) => key[0] === frame);
  const [x, y, seen] = placeOf(model, point, frame);
  const key = change(at < 0 ? [frame, x, y, seen] : [...point.k[at].slice(0, 3), point.k[at][3] ?? 1]);
  const k = at < 0 ? [...point.k, key].sort((a, b) => a[0] - b[0]) : point.k.with(at, key);
  return { ...point, k };
}

/** @param {Model} model @param {any} point @param {Point} by */
const movedAt = (model, point, [dx, dy]) =>
  withKey(model, point, ([f, x, y, seen]) => [f, x + dx, y + dy, seen || 1]);

/** Seen becomes hidden from here on, and back. @param {Model} model @param {any} point */
const occluded = (model, point) => withKey(model, point, ([f, x, y, seen]) => [f, x, y, seen ? 0 : 1]);

/** Drag moves; Alt and a click hides. @param {Model} model @param {Touch} start */
function moving(model, start) {
  const { doc, selection } = model;
  return {
    move(/** @type {Touch} */ { point, px, shift }) {
      const by = /** @type {Point} */ ([point[0] - start.point[0], point[1] - start.point[1]]);
      model.preview(changed(doc, selection, (p) => movedAt(model, p, shift ? straight(by, px) : by)));
    },
    release(/** @type {Touch} */ _touch, /** @type {boolean} */ click) {
      if (click && start.alt) model.preview(changed(doc, selection, (p) => occluded(model, p)));
    },
  };
}
