// The stroke tool: draw a way free-hand or point by point, or pin a resting point.

import { changed } from '../core/edits.mjs';
import { distance, framesOf, PATHS, TIMINGS } from '../core/strokes.mjs';
import { t } from '../i18n/texts.mjs';
import { adding, freehand, keyDragging, moving, pinning } from './strokes_gestures.mjs';
import { lineOf, paintStill, paintStrokes } from './strokes_paint.mjs';
import { nearest, retimed, shifted } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {{point: Point, px: Point, shift: boolean, alt: boolean, ctrl: boolean}} Touch */

const GRIP = 9;

export const strokes = {
  kind: 'strokes',
  modes: ['move', 'freehand', 'path', 'pin'],
  start: 'freehand',
  movesFirst: true,
  shortcuts: [['Enter', 'keys_finish']],

  /** @param {any} stroke */
  row: (stroke) => t(stroke.k.length === 1 ? 'rests' : 'keys_count', { count: stroke.k.length }),

  /** @param {Model} model @param {string} object */
  assign: (model, object) => model.edit(changed(model.doc, model.selection, (s) => ({ ...s, o: object }))),

  /** @param {Model} model @param {Touch} touch @returns {any} */
  hit(model, { point, px }) {
    const reach = /** @type {Point} */ ([px[0] * GRIP, px[1] * GRIP]);
    for (const stroke of model.selected) {
      const key = nearest(
        stroke.k.map((/** @type {any} */ k) => [k.x, k.y]),
        point,
        reach,
      );
      if (key >= 0) return { what: 'key', id: stroke.id, stroke, key };
    }
    for (const stroke of model.entries.toReversed()) {
      if (!model.hidden.has(stroke.id) && isOn(lineOf(stroke, model.space), point, px)) {
        return { what: 'body', id: stroke.id, stroke };
      }
    }
    return null;
  },

  /** @param {Model} model @param {Touch} touch */
  press(model, touch) {
    if (model.mode === 'freehand') return freehand(model, touch);
    if (model.mode === 'path') return adding(model);
    if (model.mode === 'pin') return pinning(model, touch);
    const hit = this.hit(model, touch);
    if (!hit) return null;
    if (hit.what === 'key') return keyDragging(model, hit, touch);
    if (touch.shift) model.select(new Set([...model.selection]).add(hit.id));
    else if (!model.selection.has(hit.id)) model.select([hit.id]);
    return moving(model, touch);
  },

  /** Enter ends a way that is drawn point by point. @param {Model} model @param {string} key */
  key(model, key) {
    if (key !== 'Enter' || model.mode !== 'path' || !model.selection.size) return false;
    model.select([]);
    return true;
  },

  /** @param {Model} model @param {Point} by @param {string} gesture */
  nudge(model, by, gesture) {
    model.edit(
      changed(model.doc, model.selection, (stroke) => shifted(stroke, by)),
      gesture,
    );
  },

  /** The key nearest to the present frame goes. @param {Model} model */
  removeKey(model) {
    model.edit(
      changed(model.doc, model.selection, (stroke) => {
        if (stroke.k.length < 2) return stroke;
        const away = framesOf(stroke, model.space).map((f) => Math.abs(f - model.frame));
        return { ...stroke, k: stroke.k.toSpliced(away.indexOf(Math.min(...away)), 1) };
      }),
    );
  },

  /** @param {any} stroke @param {any} space @returns {number[]} */
  keys: (stroke, space) => (stroke.k.length > 64 ? [] : framesOf(stroke, space).map(Math.round)),

  /** @param {any} stroke @param {number} i @param {number} frame @param {number} last */
  retime: (stroke, i, frame, last) =>
    (stroke.timing ?? 'index') === 'index' ? stroke : retimed(stroke, i, frame, last),

  moved: shifted,

  /** @param {Model} _model @param {any} stroke @param {number[]} area */
  within: (_model, stroke, [x0, y0, x1, y1]) =>
    stroke.k.every((/** @type {any} */ k) => k.x >= x0 && k.x <= x1 && k.y >= y0 && k.y <= y1),

  paint: paintStrokes,
  paintStill,

  /** @param {Model} model */
  fields(model) {
    const stroke = model.selected[0];
    if (!stroke) return [];
    const set = (/** @type {any} */ change) =>
      model.edit(changed(model.doc, model.selection, (s) => ({ ...s, ...change })));
    const timed = (/** @type {any} */ s, /** @type {string} */ timing) => ({
      ...s,
      timing,
      k: withFrames(s, model.space),
    });
    return [
      {
        name: 'role',
        value: stroke.role ?? 'object',
        options: ['object', 'static', 'camera'],
        set: (/** @type {string} */ role) => set({ role }),
      },
      {
        name: 'path',
        value: stroke.path ?? 'pchip',
        options: PATHS,
        set: (/** @type {string} */ path) => set({ path }),
      },
      {
        name: 'timing',
        value: stroke.timing ?? 'index',
        options: TIMINGS,
        set: (/** @type {string} */ timing) =>
          model.edit(changed(model.doc, model.selection, (s) => timed(s, timing))),
      },
    ];
  },
};

/** The keys of a stroke with the frames that they have now. @param {any} stroke @param {any} space */
function withFrames(stroke, space) {
  const frames = framesOf(stroke, space);
  return stroke.k.map((/** @type {any} */ key, /** @type {number} */ i) => ({ ...key, f: frames[i] }));
}

/** @param {Point[]} way @param {Point} p @param {Point} px */
function isOn(way, p, px) {
  const at = way.map(([x, y]) => /** @type {Point} */ ([x / px[0], y / px[1]]));
  const q = /** @type {Point} */ ([p[0] / px[0], p[1] / px[1]]);
  return at.some((b, i) => distance(q, at[Math.max(i - 1, 0)], b) < GRIP);
}
