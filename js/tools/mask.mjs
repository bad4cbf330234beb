// The mask tool: brush, eraser, polygon and rectangle on layers, one per object.

import { added, changed, freshId, withObject } from '../core/edits.mjs';
import { GRID, packed } from '../core/mask.mjs';
import { t } from '../i18n/texts.mjs';
import { paintLayers } from './mask_paint.mjs';

/** @typedef {[number, number]} Point */
/** @typedef {import('../core/model.mjs').Model} Model */
/** @typedef {{point: Point, px: Point, shift: boolean, alt: boolean, ctrl: boolean, pressure: number}}
 * Touch */

const CLOSE = 10; // CSS pixels from the first corner that close a polygon

/** What the artist paints with; a view, not part of the value. @param {Model & {brush?: any}} model */
export function brushOf(model) {
  model.brush ??= { r: 0.03, hd: 0.8, opacity: 0.5, draft: /** @type {Point[]} */ ([]) };
  return model.brush;
}

export const mask = {
  kind: 'mask',

  /** The brush as it was. @param {Model} model @param {any} saved */
  takeBrush(model, saved) {
    const brush = brushOf(model);
    for (const name of ['r', 'hd', 'opacity'])
      if (saved[name] > 0 && saved[name] <= 1) brush[name] = saved[name];
  },

  modes: ['brush', 'eraser', 'polygon', 'rect'],
  start: 'brush',
  always: true,
  shortcuts: [
    ['B  X', 'keys_brush'],
    ['[  ]', 'keys_brush_size'],
    ['⇧ [  ]', 'keys_hardness'],
    ['G  R', 'keys_polygon'],
    ['Alt', 'keys_subtract'],
    ['I  N', 'keys_invert'],
  ],

  /** @param {any} layer */
  row: (layer) => t('operations', { count: (layer.ops ?? []).length }),

  /** @param {Model} model @param {string} object */
  assign: (model, object) => model.edit(changed(model.doc, model.selection, (l) => ({ ...l, o: object }))),

  hit: () => null,

  /** @param {Model} model */
  cursor: (model) => (model.editable && /brush|eraser/.test(model.mode) ? 'none' : 'crosshair'),

  /** @param {Model} model @param {Touch} touch */
  press(model, touch) {
    const sub = model.mode === 'eraser' || touch.alt;
    if (model.mode === 'rect') return rectangle(model, touch, sub);
    if (model.mode === 'polygon') return polygon(model, touch, sub);
    return stroke(model, touch, sub);
  },

  /** @param {Model} model @param {string} key */
  key(model, key) {
    const brush = brushOf(model);
    const mode = { b: 'brush', g: 'polygon', r: 'rect', x: model.mode === 'eraser' ? 'brush' : 'eraser' }[
      key.toLowerCase()
    ];
    if (mode) model.mode = mode;
    else if (key === '[' || key === ']')
      brush.r = Math.min(1, Math.max(0.002, brush.r * (key === ']' ? 1.15 : 1 / 1.15)));
    else if (key === '{' || key === '}')
      brush.hd = Math.min(1, Math.max(0, brush.hd + (key === '}' ? 0.1 : -0.1)));
    else if (key === 'i') invert(model);
    else if (key === 'n') newLayer(model);
    else if (key === 'Enter' && brush.draft.length > 2) closePolygon(model, false);
    else if (key === 'Backspace' && brush.draft.length) brush.draft.pop();
    else return false;
    model.tell('select');
    return true;
  },

  /** @param {Model} model @param {Point} by @param {string} gesture */
  nudge(model, by, gesture) {
    model.edit(
      changed(model.doc, model.selection, (layer) => this.moved(layer, by)),
      gesture,
    );
  },

  removeKey() {},

  keys: () => [],

  /** @param {any} layer */
  retime: (layer) => layer,

  /** @param {any} layer @param {Point} by */
  moved: (layer, [dx, dy]) => ({
    ...layer,
    ops: (layer.ops ?? []).map((/** @type {any} */ op) => movedOperation(op, dx, dy)),
  }),

  within: () => false,

  /** @param {Model} model @param {any} layer */
  hide: (model, layer) =>
    model.edit(changed(model.doc, new Set([layer.id]), (l) => ({ ...l, hidden: l.hidden ? 0 : 1 }))),

  /** Entries of another kind of drawing as ours: boxes become rectangles. @param {any} doc
   * @returns {any[] | null} */
  adopt(doc) {
    if (doc.choreo !== 'boxes' || !Array.isArray(doc.boxes)) return null;
    return doc.boxes.map((/** @type {any} */ { id, o, k: [{ x, y, w, h }] }) => ({
      id,
      o,
      ops: [{ t: 'rect', m: 'add', b: [x - w / 2, y - h / 2, w, h] }],
    }));
  },

  paint: paintLayers,

  /** @param {Model} model */
  fields(model) {
    const brush = brushOf(model);
    const { w } = model.space;
    const tune = (/** @type {string} */ name, /** @type {number} */ scale, /** @type {number} */ most) => ({
      name: `brush_${name}`,
      value: brush[name] * scale,
      low: 0,
      set(/** @type {number} */ value) {
        brush[name] = Math.min(value / scale, most);
        model.tell('select');
      },
    });
    const made = /** @type {any[]} */ ([tune('r', w, 1), tune('hd', 100, 1), tune('opacity', 100, 1)]);
    const layer = model.selected[0];
    if (!layer) return made;
    const set = (/** @type {any} */ change) =>
      model.edit(changed(model.doc, model.selection, (l) => ({ ...l, ...change })));
    const feather = (/** @type {number} */ value) => set({ feather: Math.min(0.25, Math.max(0, value / w)) });
    return [
      ...made,
      { name: 'feather', value: (layer.feather ?? 0) * w, low: 0, set: feather },
      {
        name: 'invert',
        value: layer.invert ? 'yes' : 'no',
        options: ['no', 'yes'],
        set: (/** @type {string} */ v) => set({ invert: v === 'yes' ? 1 : 0 }),
      },
    ];
  },
};

/** @param {any} op @param {number} dx @param {number} dy */
function movedOperation(op, dx, dy) {
  if (op.b) return { ...op, b: [op.b[0] + dx, op.b[1] + dy, op.b[2], op.b[3]] };
  if (!op.p) return op;
  return { ...op, p: [op.p[0] + Math.round(dx * GRID), op.p[1] + Math.round(dy * GRID), ...op.p.slice(2)] };
}

/** @param {Model} model */
function invert(model) {
  const ids = new Set(model.selection.size ? model.selection : model.entries.slice(-1).map((l) => l.id));
  model.edit(changed(model.doc, ids, (layer) => ({ ...layer, invert: layer.invert ? 0 : 1 })));
}

/** @param {Model} model */
function newLayer(model) {
  const [doc, id] = withLayer(model, model.doc);
  model.edit(doc);
  model.select([id]);
}

/** @param {Model} model @param {any} before @returns {[any, string]} */
function withLayer(model, before) {
  const chosen = model.objects.some((o) => o.id === model.object);
  const [doc, object] = chosen ? [before, model.object] : withObject(before, t('object').toLowerCase());
  const id = freshId(doc.layers, 'm');
  return [added(doc, { id, o: object, ops: [], feather: 0, invert: 0, hidden: 0 }), id];
}

/** The document with an operation more on the layer that is painted: the selected one, else the last, else
 * new.
 * @param {Model} model @param {any} before @param {any} op @returns {[any, string]} */
function withOperation(model, before, op) {
  const known =
    before.layers.find((/** @type {any} */ l) => model.selection.has(l.id)) ?? before.layers.at(-1);
  const [doc, id] = known ? [before, known.id] : withLayer(model, before);
  return [changed(doc, new Set([id]), (layer) => ({ ...layer, ops: [...(layer.ops ?? []), op] })), id];
}

/** @param {Model} model @param {any} before @param {any} op */
function show(model, before, op) {
  const [doc, id] = withOperation(model, before, op);
  model.before ??= before;
  model.preview(doc);
  return id;
}

/** @param {Model} model @param {Touch} start @param {boolean} sub */
function stroke(model, start, sub) {
  const before = model.doc;
  const brush = brushOf(model);
  const points = [start.point];
  const r = Math.max(brush.r * (start.pressure > 0 ? start.pressure : 1), 0.002);
  const op = () => ({ t: 'stroke', m: sub ? 'sub' : 'add', r, hd: brush.hd, p: packed(points) });
  return {
    eager: true,
    every: true,
    move(/** @type {Touch} */ { point, px }) {
      const [x, y] = points[points.length - 1];
      if (Math.abs(point[0] - x) < px[0] * 1.5 && Math.abs(point[1] - y) < px[1] * 1.5) return;
      points.push(point);
      show(model, before, op());
    },
    release: () => model.select([show(model, before, op())]),
  };
}

/** @param {Model} model @param {Touch} start @param {boolean} sub */
function rectangle(model, start, sub) {
  const before = model.doc;
  let id = '';
  return {
    move(/** @type {Touch} */ { point }) {
      const [x, y] = [0, 1].map((i) => Math.min(point[i], start.point[i]));
      const [w, h] = [0, 1].map((i) => Math.abs(point[i] - start.point[i]));
      id = show(model, before, { t: 'rect', m: sub ? 'sub' : 'add', b: [x, y, w, h] });
    },
    release: () => id && model.select([id]),
  };
}

/** Clicks set corners, a drag is a lasso. @param {Model} model @param {Touch} start @param {boolean} sub */
function polygon(model, start, sub) {
  const brush = brushOf(model);
  const lasso = [start.point];
  return {
    every: true,
    move(/** @type {Touch} */ { point }) {
      lasso.push(point);
      brush.draft = lasso;
      model.tell('preview');
    },
    release() {
      if (lasso.length > 2) return closePolygon(model, sub);
      const [first] = brush.draft;
      const [dx, dy] = first ? [first[0] - start.point[0], first[1] - start.point[1]] : [1, 1];
      if (brush.draft.length > 2 && Math.hypot(dx / start.px[0], dy / start.px[1]) < CLOSE)
        return closePolygon(model, sub);
      brush.draft = [...brush.draft, start.point];
      model.tell('preview');
    },
  };
}

/** @param {Model} model @param {boolean} sub */
function closePolygon(model, sub) {
  const brush = brushOf(model);
  const id = show(model, model.doc, { t: 'poly', m: sub ? 'sub' : 'add', p: packed(brush.draft) });
  brush.draft = [];
  model.commit();
  model.select([id]);
}
