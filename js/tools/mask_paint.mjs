// How masks look: each layer in its object's colour, the brush as a ring, an open polygon as a line.

import { layerCover } from '../core/raster.mjs';
import { brushOf } from './mask.mjs';
import { once } from './ways.mjs';

const SIDE = 480; // pixels of the longer side of the preview

/** @typedef {import('../core/model.mjs').Model} Model */

/** @type {WeakMap<Model, import('../core/raster.mjs').Memory>} */
const MEMORIES = new WeakMap();

/** @param {import('../core/pen.mjs').Pen} pen @param {Model} model @param {any} state */
export function paintLayers(pen, model, { touch }) {
  const { context, rect } = pen;
  const brush = brushOf(model);
  for (const layer of model.entries) {
    if (layer.hidden) continue;
    context.globalAlpha = brush.opacity * (model.selection.size && !model.selection.has(layer.id) ? 0.6 : 1);
    context.drawImage(pictureOf(model, layer), rect.x, rect.y, rect.w, rect.h);
  }
  context.globalAlpha = 1;
  if (brush.draft.length) {
    pen.line([...brush.draft, ...(touch ? [touch.point] : [])], { width: 1.5, dash: [5, 4] });
    for (const corner of brush.draft.length < 40 ? brush.draft : [])
      pen.dot(corner, 3.5, { fill: '#fff', width: 1 });
  }
  if (touch && /brush|eraser/.test(model.mode)) {
    const erases = model.mode === 'eraser' || touch.alt;
    pen.dot(touch.point, brush.r * rect.w, { width: 1.25, dash: erases ? [4, 4] : [] });
    if (brush.hd < 1) pen.dot(touch.point, brush.r * brush.hd * rect.w, { width: 0.75, alpha: 0.5 });
  }
}

/** A canvas with a layer's coverage in its colour. @param {Model} model @param {any} layer */
function pictureOf(model, layer) {
  const { space } = model;
  const color = model.colorOf(layer);
  return once(layer, `picture ${space.w} ${space.h} ${color}`, () => {
    const scale = Math.min(1, SIDE / Math.max(space.w, space.h));
    const to = { w: Math.max(1, Math.round(space.w * scale)), h: Math.max(1, Math.round(space.h * scale)) };
    if (!MEMORIES.has(model)) MEMORIES.set(model, new Map());
    const cover = layerCover(layer, space, to, MEMORIES.get(model));
    const canvas = Object.assign(document.createElement('canvas'), { width: to.w, height: to.h });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    const data = context.createImageData(to.w, to.h);
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    cover.forEach((c, i) => data.data.set([r, g, b, Math.round(c * 255)], 4 * i));
    context.putImageData(data, 0, 0);
    return canvas;
  });
}
