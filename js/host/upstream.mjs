// Follows a node's picture input to the file it comes from: through reroutes, subgraph borders and
// resizing nodes.

import { app } from '../../../scripts/app.js';

const WIDGETS = ['file', 'video', 'image'];
const VIDEO = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|gif)( \[\w+\])?$/i;
const PICTURE = /\.(png|jpe?g|webp|bmp|avif|tiff?)( \[\w+\])?$/i;
const SCENE = ['color', 'shape', 'x', 'y', 'half_size', 'seed', 'ground'];
const HOPS = 32;
const SUBGRAPH_INPUT = -10;

/** `path` is a route that draws the picture, where it is no file; `widgets` are what the picture depends on.
 * @typedef {{name: string, kind: 'video' | 'image', start: number, step: number, fps: number, cropped:
 * boolean, path?: string, widgets: any[]}} Found */

/** The kind of a file by its name. @param {any} name @returns {'video' | 'image' | null} */
function kindOf(name) {
  if (typeof name !== 'string') return null;
  return VIDEO.test(name) ? 'video' : PICTURE.test(name) ? 'image' : null;
}

/** The file behind an input, or null. @param {any} node @param {string} input @returns {Found | null} */
export function upstreamFile(node, input) {
  let cropped = false;
  for (const at of upstream(node, input)) {
    const found = sceneIn(at.node, cropped) ?? fileIn(at.node, cropped);
    if (found) return found;
    cropped ||= crops(at.node);
  }
  return null;
}

/** Where an input's picture is made: by the node with the file, the one that crops, or the first there is.
 * @param {any} node @param {string} input @returns {{node: any, slot: number} | null} */
export function sourceNode(node, input) {
  let last = null;
  for (last of upstream(node, input))
    if (crops(last.node) || sceneIn(last.node, false) || fileIn(last.node, false)) break;
  return last;
}

/** The outputs that an input's picture comes through, nearest first. @param {any} node
 * @param {string} input */
function* upstream(node, input) {
  let at = originOf(node, input);
  for (let hop = 0; at && hop < HOPS; hop++) {
    yield at;
    at = before(at.node, at.slot);
  }
}

/** @param {any} node */
const crops = (node) => /crop/i.test(node.type ?? '');

/** @param {any} node @param {boolean} cropped @returns {Found | null} */
function fileIn(node, cropped) {
  const value = (/** @type {string} */ name) =>
    node.widgets?.find?.((/** @type {any} */ w) => w.name === name)?.value;
  const name = WIDGETS.find((w) => kindOf(value(w)));
  const kind = name && kindOf(value(name));
  if (!name || !kind) return null;
  const widget = node.widgets.find((/** @type {any} */ w) => w.name === name);
  return {
    name: value(name),
    kind,
    start: Number(value('skip_first_frames')) || 0,
    step: Number(value('select_every_nth')) || 1,
    fps: Number(value('force_rate')) || 0,
    cropped,
    widgets: [widget],
  };
}

/** What Pocket Scene will make, if all of it is known. @param {any} node @param {boolean} cropped
 * @returns {Found | null} */
function sceneIn(node, cropped) {
  const widgets = (node.widgets ?? []).filter((/** @type {any} */ w) => SCENE.includes(w.name));
  const linked = node.inputs?.some?.((/** @type {any} */ i) => i.link != null);
  if (node.type !== 'ChoreoPocketScene' || linked || widgets.length < SCENE.length) return null;
  const values = widgets.map((/** @type {any} */ w) => [w.name, String(w.value)]);
  const path = `/choreo/v1/scene?${new URLSearchParams(values)}`;
  return { name: path, path, kind: 'image', start: 0, step: 1, fps: 0, cropped, widgets };
}

/** Where an input's link begins. @param {any} node @param {string | number} input @returns {any} */
function originOf(node, input) {
  const slot =
    typeof input === 'number' ? input : node.inputs?.findIndex?.((/** @type {any} */ i) => i.name === input);
  const id = node.inputs?.[slot]?.link;
  const link = id === null || id === undefined ? null : linkOf(node.graph, id);
  if (!link) return null;
  if (link.origin_id === SUBGRAPH_INPUT) return outside(node.graph, link.origin_slot);
  const origin = node.graph?.getNodeById?.(link.origin_id);
  return origin ? { node: origin, slot: link.origin_slot } : null;
}

/** What lies before a node: in a subgraph the node that makes the output, else its first picture.
 * @param {any} node @param {number} slot @returns {any} */
function before(node, slot) {
  if (node.subgraph) {
    const id = node.subgraph.outputNode?.slots?.[slot]?.linkIds?.[0];
    const link = id === undefined ? null : linkOf(node.subgraph, id);
    const origin = link && node.subgraph.getNodeById(link.origin_id);
    return origin ? { node: origin, slot: link.origin_slot } : null;
  }
  const at = node.inputs?.findIndex?.(
    (/** @type {any} */ i) => i.link != null && /IMAGE|VIDEO|\*/.test(String(i.type)),
  );
  return at >= 0 ? originOf(node, at) : null;
}

/** The link into the subgraph node that holds a graph. @param {any} graph @param {number} slot
 * @returns {any} */
function outside(graph, slot) {
  const graphs = [app.rootGraph ?? app.graph, ...((app.rootGraph ?? app.graph)?.subgraphs?.values?.() ?? [])];
  for (const outer of graphs) {
    const holder = outer?.nodes?.find?.((/** @type {any} */ n) => n.subgraph === graph);
    if (holder) return originOf(holder, slot);
  }
  return null;
}

/** @param {any} graph @param {any} id */
const linkOf = (graph, id) => graph?.getLink?.(id) ?? graph?.links?.get?.(id) ?? graph?.links?.[id];
