// Every touch of ComfyUI's page. What it may lack is tested for, with a silent fall-back.

import { api } from '../../../scripts/api.js';
import { app } from '../../../scripts/app.js';

/** Views of editors that ComfyUI makes anew (undo, reload, tab change), by workflow and node.
 * @type {Map<string, any>} */
const VIEWS = new Map();

const tracker = () => app.extensionManager?.workflow?.activeWorkflow?.changeTracker;

export const locale = () =>
  String(app.extensionManager?.setting?.get?.('Comfy.Locale') ?? navigator.language);

/** In the mode "run on change" ComfyUI takes Ctrl+Z even from inputs. */
export const hostUndoes = () => Boolean(app.ui?.autoQueueEnabled && app.ui?.autoQueueMode !== 'instant');

const inVueNodes = () => Boolean(/** @type {any} */ (globalThis).LiteGraph?.vueNodesMode);

/** @param {string} path */
export const url = (path) => api.apiURL(path);

/** JSON of a route; an error carries the server's sentence. @param {string} path @param {any} [options] */
export async function json(path, options) {
  const answer = await api.fetchApi(path, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `${answer.status} ${answer.statusText}`);
  return body;
}

/** The address of a file of the host's folders.
 * @param {{filename: string, subfolder?: string, type?: string}} file */
export function viewUrl({ filename, subfolder = '', type = 'input' }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

/** Folder, file and kind of an annotated path such as "choreo/cat.mp4 [input]". @param {string} name */
export function fileOf(name) {
  const match = /^(.*?)(?: \[(input|output|temp|choreo)\])?$/.exec(name);
  const path = match?.[1] ?? name;
  const cut = path.lastIndexOf('/');
  return {
    filename: path.slice(cut + 1),
    subfolder: cut < 0 ? '' : path.slice(0, cut),
    type: match?.[2] ?? 'input',
  };
}

/** Put a file among the inputs; its annotated path. @param {File} file */
export async function upload(file) {
  const body = new FormData();
  body.append('image', file);
  body.append('subfolder', 'choreo');
  const made = await json('/upload/image', { method: 'POST', body });
  return `${made.subfolder ? `${made.subfolder}/` : ''}${made.name} [input]`;
}

/** What one editor asks of its node and of the page. */
export class NodePort {
  /** @param {any} node @param {string} name the widget's */
  constructor(node, name) {
    this.node = node;
    this.name = name;
  }

  /** @param {string} name */
  widget(name) {
    return this.node.widgets?.find?.((/** @type {any} */ w) => w.name === name);
  }

  get title() {
    return String(this.node.title || this.node.type);
  }

  /** Canvas and timeline that the node makes. */
  size() {
    const value = (/** @type {string} */ name, /** @type {number} */ usual) => {
      const found = Math.round(Number(this.widget(name)?.value));
      return found >= 1 && found <= 32768 ? found : usual;
    };
    return { w: value('width', 1024), h: value('height', 576), frames: value('frames', 14), fps: 8 };
  }

  /** Tell the editor when a widget of the node changes. @param {string[]} names
   * @param {() => void} listener */
  watch(names, listener) {
    for (const widget of names.map((name) => this.widget(name)).filter(Boolean)) {
      const former = widget.callback;
      widget.callback = function (/** @type {any[]} */ ...given) {
        const result = former?.apply(this, given);
        listener();
        return result;
      };
    }
    const connections = this.node.onConnectionsChange;
    this.node.onConnectionsChange = function (/** @type {any[]} */ ...given) {
      connections?.apply(this, given);
      queueMicrotask(listener);
    };
  }

  /** Whether something is linked to the value's socket: then its text wins. */
  get linked() {
    const input = this.node.inputs?.find?.(
      (/** @type {any} */ i) => i.widget?.name === this.name || i.name === this.name,
    );
    return (input?.link ?? null) !== null;
  }

  /** Whether data is linked that seeds the drawing. */
  get seeded() {
    const input = this.node.inputs?.find?.((/** @type {any} */ i) => i.name === 'geometry');
    return (input?.link ?? null) !== null;
  }

  /** The value has changed for good: one step of ComfyUI's undo. @param {string} text */
  changed(text) {
    const widget = this.widget(this.name);
    if (widget) widget.value = text;
    this.node.graph?.setDirtyCanvas?.(true, true);
    const now = tracker();
    (now?.captureCanvasState ?? now?.checkState)?.call(now);
  }

  /** @returns {string} */
  get viewKey() {
    const path = app.extensionManager?.workflow?.activeWorkflow?.path ?? '';
    return `${path} ${this.node.graph?.id ?? ''} ${this.node.id} ${this.name}`;
  }

  /** @returns {any} */
  get view() {
    return VIEWS.get(this.viewKey) ?? this.node.properties?.choreo_view;
  }

  /** @param {any} view */
  set view(view) {
    VIEWS.set(this.viewKey, view);
    (this.node.properties ??= {}).choreo_view = view;
  }

  /** Zoom of the graph, for the sharpness of our canvases. */
  scale() {
    return app.canvas?.ds?.scale || 1;
  }

  /** A wheel that is not ours zooms the graph; in Nodes 2.0 it gets there by itself.
   * @param {WheelEvent} event */
  passWheel(event) {
    if (inVueNodes() || !app.canvas?.canvas) return;
    event.preventDefault();
    app.canvas.canvas.dispatchEvent(new WheelEvent(event.type, event));
  }

  /** A middle drag moves the graph; in Nodes 2.0 it does by itself. @param {PointerEvent} event
   * @returns {boolean} whether the event is the graph's */
  passPointer(event) {
    if (inVueNodes()) return true;
    const canvas = app.canvas;
    const method = {
      pointerdown: 'processMouseDown',
      pointermove: 'processMouseMove',
      pointerup: 'processMouseUp',
    }[event.type];
    if (!method || !canvas?.[method]) return false;
    event.preventDefault();
    canvas[method](event);
    return true;
  }
}
