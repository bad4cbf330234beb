// Opens an editor for a node's widget and keeps the two in touch.

import { mount } from '../editor.mjs';
import { showLinked, takeSeed } from '../ui/linked.mjs';
import { hostUndoes, locale, NodePort, upload } from './adapter.mjs';
import { openSource, sourceKey } from './source.mjs';
import { sourceNode, upstreamFile } from './upstream.mjs';

/** The open editors, by their nodes. @type {Map<any, any>} */
const OPEN = new Map();
let styled = false;

/** @param {HTMLElement} element @param {any} node @param {string} name @param {string} kind
 * @param {() => string} text */
export async function open(element, node, name, kind, text) {
  style();
  const port = new NodePort(node, name);
  /** @type {any} */ let sprite = null;
  const host = Object.assign(port, {
    locale,
    hostUndoes,
    upload,
    siblings: () => siblingsOf(node),
    sourceKey: (/** @type {any} */ source) => sourceKey(node, source, sprite),
    openSource: (/** @type {any} */ source, /** @type {number} */ fps, /** @type {string[]} */ problems) =>
      openSource(node, source, sprite, fps, problems),
  });
  const editor = await mount(element, kind, host, text());
  OPEN.set(node, editor);
  editor.siblings.tell();
  const watched = new WeakSet();
  const refresh = () => {
    watchUpstream(node, watched, refresh);
    editor.nodeChanged();
  };
  port.watch(['width', 'height', 'frames'], refresh);
  watchUpstream(node, watched, refresh);
  element.addEventListener('pointerenter', refresh);
  chain(node, 'onExecuted', (output) => {
    sprite = output?.choreo_frames?.[0] ?? sprite;
    if (output?.choreo_seed?.[0]) takeSeed(editor, output.choreo_seed[0]);
    if (output?.choreo_value?.[0]) showLinked(editor, output.choreo_value[0]);
    refresh();
  });
  chain(node, 'onRemoved', () => {
    OPEN.delete(node);
    editor.dispose();
  });
  return editor;
}

/** The editors of a graph that draw on one picture. @param {any} node @returns {any[]} */
function siblingsOf(node) {
  const mine = placeOf(node);
  const same = (/** @type {any[] | null} */ place) => mine && place?.every((part, i) => part === mine[i]);
  const nodes = [...OPEN.keys()].filter((one) => one.graph === node.graph && same(placeOf(one)));
  return nodes.sort((a, b) => Number(a.id) - Number(b.id)).map((one) => OPEN.get(one));
}

/** What a node's editor draws on: its own file, else an output upstream. @param {any} node
 * @returns {any[] | null} */
function placeOf(node) {
  const own = OPEN.get(node)?.model.doc.source;
  if (own?.name && /^(video|image)$/.test(own.kind)) return [own.name];
  const from = sourceNode(node, 'image');
  return from && [from.node, from.slot];
}

/** Hear of a new file in the loader upstream. @param {any} node @param {WeakSet<object>} watched
 * @param {() => void} listener */
function watchUpstream(node, watched, listener) {
  for (const widget of upstreamFile(node, 'image')?.widgets ?? []) {
    if (watched.has(widget)) continue;
    watched.add(widget);
    chain(widget, 'callback', listener);
  }
}

/** Call something after a method. @param {any} object @param {string} method
 * @param {(...given: any[]) => void} then */
function chain(object, method, then) {
  const former = object[method];
  object[method] = function (/** @type {any[]} */ ...given) {
    const result = former?.apply(this, given);
    then(...given);
    return result;
  };
}

function style() {
  if (styled) return;
  styled = true;
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet' });
  link.href = new URL('../choreo.css', import.meta.url).href;
  document.head.append(link);
}
