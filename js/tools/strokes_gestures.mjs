// Gestures that draw and move strokes.

import { added, changed, freshId, withObject } from '../core/edits.mjs';
import { simplified } from '../core/strokes.mjs';
import { t } from '../i18n/texts.mjs';
import { shifted, straight } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {{point: Point, px: Point, shift: boolean, alt: boolean, ctrl: boolean}} Touch */

const TOLERANCE = 0.002;
const MOST_KEYS = 256;

/** The document with a new stroke, and its id. @param {Model} model @param {any} stroke
 * @returns {[any, string]} */
function withStroke(model, stroke) {
  const chosen = model.objects.some((o) => o.id === model.object);
  const [doc, object] = chosen ? [model.doc, model.object] : withObject(model.doc, t('object').toLowerCase());
  const id = freshId(doc.strokes, 's');
  return [added(doc, { id, o: object, ...stroke }), id];
}

/** Free-hand: the way and its speed are kept. @param {Model} model @param {Touch} start */
export function freehand(model, start) {
  const points = [start.point];
  const times = [performance.now()];
  const [, id] = withStroke(model, { k: [] });
  const shape = (/** @type {number[]} */ kept) => {
    const { w, h } = model.space;
    const last = Math.max(model.size().frames - 1, 1);
    const span = times[times.length - 1] - times[0] || 1;
    let f = -1;
    const k = kept.map((i) => {
      f = Math.max(f + 0.01, Math.round(((times[i] - times[0]) / span) * last * 100) / 100);
      return { f: Math.round(f * 100) / 100, x: points[i][0], y: points[i][1] };
    });
    return { role: 'object', path: w && h ? 'pchip' : 'linear', timing: 'keys', k };
  };
  const base = model.doc;
  const show = (/** @type {number[]} */ kept) => {
    model.doc = base;
    const [doc] = withStroke(model, shape(kept));
    model.doc = base;
    model.preview(doc);
  };
  return {
    every: true,
    move(/** @type {Touch} */ { point }) {
      points.push(point);
      times.push(performance.now());
      model.before ??= base;
      show(thinned(points));
    },
    release() {
      if (points.length < 2) return model.select([]);
      show(thinned(points));
      model.select([id]);
    },
  };
}

/** Simplified, and never more than a stroke shall have. @param {Point[]} points */
function thinned(points) {
  let tolerance = TOLERANCE;
  let kept = simplified(points, tolerance);
  while (kept.length > MOST_KEYS) kept = simplified(points, (tolerance *= 2));
  return kept;
}

/** A point more on the selected way, or a new way. @param {Model} model */
export function adding(model) {
  const { doc } = model;
  const [going] = model.selected;
  const place = (/** @type {Touch} */ { point: [x, y] }) => {
    if (going) {
      const k = (/** @type {any} */ s) => [
        ...s.k,
        { ...((s.timing ?? 'index') === 'index' ? {} : { f: s.k.at(-1).f + 1 }), x, y },
      ];
      model.preview(changed(doc, new Set([going.id]), (s) => ({ ...s, k: k(s) })));
      return going.id;
    }
    model.doc = doc;
    const [next, id] = withStroke(model, { role: 'object', path: 'pchip', timing: 'index', k: [{ x, y }] });
    model.before ??= doc;
    model.preview(next);
    return id;
  };
  return {
    eager: true,
    move: place,
    release: (/** @type {Touch} */ touch) => model.select([place(touch)]),
  };
}

/** One click: a point that rests. @param {Model} model @param {Touch} start */
export function pinning(model, start) {
  const { doc } = model;
  return {
    move() {},
    release() {
      const [x, y] = start.point;
      const [next, id] = withStroke(model, { role: 'static', path: 'pchip', timing: 'index', k: [{ x, y }] });
      model.before ??= doc;
      model.preview(next);
      model.select([id]);
    },
  };
}

/** @param {Model} model @param {Touch} start */
export function moving(model, start) {
  const { doc, selection } = model;
  return {
    move(/** @type {Touch} */ { point, px, shift }) {
      const by = /** @type {Point} */ ([point[0] - start.point[0], point[1] - start.point[1]]);
      model.preview(changed(doc, selection, (stroke) => shifted(stroke, shift ? straight(by, px) : by)));
    },
  };
}

/** @param {Model} model @param {{stroke: any, key: number}} hit @param {Touch} start */
export function keyDragging(model, { stroke, key }, start) {
  const { doc } = model;
  const from = stroke.k[key];
  return {
    move(/** @type {Touch} */ { point }) {
      const to = { ...from, x: from.x + point[0] - start.point[0], y: from.y + point[1] - start.point[1] };
      model.preview(changed(doc, new Set([stroke.id]), (s) => ({ ...s, k: s.k.with(key, to) })));
    },
  };
}
