// Gestures on boxes: what a drag does until it ends.

import { added, changed, freshId, withObject } from '../core/edits.mjs';
import { t } from '../i18n/texts.mjs';
import { movedAt, placeOf, resized } from './boxes_shape.mjs';
import { shifted, straight, withKey } from './ways.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {{point: Point, px: Point, shift: boolean, alt: boolean, ctrl: boolean}} Touch */

/** @param {Model} model @param {Touch} start */
export function moving(model, start) {
  const { doc, selection, frame } = model;
  return {
    move(/** @type {Touch} */ touch) {
      /** @type {Point} */
      let by = [touch.point[0] - start.point[0], touch.point[1] - start.point[1]];
      if (touch.shift) by = straight(by, touch.px);
      model.preview(
        changed(doc, selection, (box) => (touch.alt ? shifted(box, by) : movedAt(model, box, by, frame))),
      );
    },
  };
}

/** @param {Model} model @param {{box: any, corner: Point}} hit */
export function resizing(model, { box, corner: [sx, sy] }) {
  const { doc } = model;
  const [x, y, w, h] = placeOf(model, box);
  const keyed = box.size === 'keyed' || box.k.some((/** @type {any} */ key) => key.f === model.frame);
  return {
    move(/** @type {Touch} */ { point, px, alt }) {
      const about = alt || !keyed;
      const side = (
        /** @type {number} */ s,
        /** @type {number} */ c,
        /** @type {number} */ size,
        /** @type {number} */ p,
        /** @type {number} */ least,
      ) => {
        if (!s) return [c, size];
        const pivot = about ? c : c - (s * size) / 2;
        const length = Math.max((p - pivot) * s, least);
        return about ? [c, 2 * length] : [pivot + (s * length) / 2, length];
      };
      const [nx, nw] = side(sx, x, w, point[0], px[0] * 3);
      const [ny, nh] = side(sy, y, h, point[1], px[1] * 3);
      model.preview(
        changed(doc, new Set([box.id]), (b) => resized(model, b, { x: nx, y: ny, w: nw, h: nh })),
      );
    },
  };
}

/** @param {Model} model @param {{box: any, key: number}} hit @param {Touch} start */
export function keyDragging(model, { box, key }, start) {
  const { doc } = model;
  const from = box.k[key];
  return {
    move(/** @type {Touch} */ { point }) {
      const change = { x: from.x + point[0] - start.point[0], y: from.y + point[1] - start.point[1] };
      model.preview(changed(doc, new Set([box.id]), (b) => withKey(b, from.f, change)));
    },
  };
}

/** @param {Model} model @param {{box: any, key: number, side: 'in' | 'out'}} hit @param {Touch} start */
export function handleDragging(model, { box, key, side }, start) {
  const { doc } = model;
  const from = box.k[key];
  return {
    move(/** @type {Touch} */ { point, alt }) {
      const offset = [point[0] - from.x, point[1] - from.y];
      const opposite = side === 'in' ? 'out' : 'in';
      const mirrored =
        !alt && box.k[key + (opposite === 'in' ? -1 : 1)] ? { [opposite]: [-offset[0], -offset[1]] } : {};
      if (point === start.point) return;
      model.preview(
        changed(doc, new Set([box.id]), (b) => withKey(b, from.f, { [side]: offset, ...mirrored })),
      );
    },
  };
}

/** A new box from corner to corner; a click places a static one in the mode "static".
 * @param {Model} model @param {Touch} start */
export function drawing(model, start) {
  const still = model.mode === 'static';
  const chosen = model.objects.some((o) => o.id === model.object);
  const [doc, object] = chosen ? [model.doc, model.object] : withObject(model.doc, t('object').toLowerCase());
  const id = freshId(doc.boxes, 'b');
  const head = {
    id,
    o: object,
    role: still ? 'static' : 'object',
    size: 'fixed',
    path: 'smooth',
    timing: 'keys',
  };
  const place = (/** @type {number[]} */ [x, y, w, h]) =>
    model.preview(added(doc, { ...head, k: [{ f: 0, x, y, w, h, ease: 'linear' }] }));
  const { space } = model;
  const usual = model.entries.at(-1)?.k[0] ?? { w: 0.15, h: Math.min(0.9, (0.15 * space.w) / space.h) };
  const [x0, y0] = start.point.map(inside);
  let drawn = false;
  return {
    move(/** @type {Touch} */ { point, px }) {
      const [x1, y1] = point.map(inside);
      const [w, h] = [Math.abs(x1 - x0), Math.abs(y1 - y0)];
      if (!drawn && (w < px[0] * 5 || h < px[1] * 5)) return;
      drawn = true;
      place([(x0 + x1) / 2, (y0 + y1) / 2, Math.max(w, px[0] * 2), Math.max(h, px[1] * 2)]);
    },
    release() {
      if (!drawn && still) place([fitted(x0, usual.w), fitted(y0, usual.h), usual.w, usual.h]);
      if (drawn || still) model.select([id]);
      else model.select([]);
    },
  };
}

const inside = (/** @type {number} */ v) => Math.min(1, Math.max(0, v));

const fitted = (/** @type {number} */ v, /** @type {number} */ size) =>
  Math.min(1 - size / 2, Math.max(size / 2, v));
