// The entry: gives Choreo's nodes their editors. The only file ComfyUI imports by itself; the rest comes
// with the
// first editor.

import { app } from '../../scripts/app.js';

/** The editors by node: the widget whose text they write, and the kind of drawing. */
const EDITORS = /** @type {Record<string, [string, string]>} */ ({
  ChoreoBoxTrajectory: ['boxes', 'boxes'],
  ChoreoPointPicker: ['points', 'points'],
  ChoreoStrokeTrajectory: ['strokes', 'strokes'],
  ChoreoMotionBrush: ['mask', 'mask'],
});
const typeOf = (/** @type {string} */ kind) => `CHOREO_EDIT_${kind.toUpperCase()}`;

/** A widget that holds its text from the first moment and its editor as soon as that is loaded.
 * @param {any} node @param {string} name @param {string} kind @param {string} text */
function addEditor(node, name, kind, text) {
  const element = document.createElement('div');
  element.className = 'choreo-holder';
  /** @type {any} */ let editor = null;
  const widget = node.addDOMWidget(name, typeOf(kind), element, {
    getValue: () => editor?.text ?? text,
    setValue: (/** @type {any} */ value) => {
      const next = typeof value === 'string' ? value : JSON.stringify(value);
      if (editor && next !== editor.text) editor.load(next);
      text = next;
    },
    getMinHeight: () => 240,
    hideOnZoom: false,
  });
  import('./host/shell.mjs').then(async ({ open }) => {
    editor = await open(element, node, name, kind, () => text);
    widget.choreo = editor;
  });
  return { widget, minWidth: 420, minHeight: 420 };
}

app.registerExtension({
  name: 'Choreo.Editors',

  /** The text field becomes an editor here, not in Python: where this file does not run, the text field
   * stays.
   * @param {any} _type @param {any} data */
  beforeRegisterNodeDef(_type, data) {
    const editor = EDITORS[data.name];
    const input = editor && (data.input?.required?.[editor[0]] ?? data.input?.optional?.[editor[0]]);
    if (input) input[1] = { ...input[1], widgetType: typeOf(editor[1]) };
  },

  getCustomWidgets() {
    const kinds = new Set(Object.values(EDITORS).map(([, kind]) => kind));
    const maker =
      (/** @type {string} */ kind) =>
      (/** @type {any} */ node, /** @type {string} */ name, /** @type {any} */ data) =>
        addEditor(node, name, kind, data[1]?.default ?? '');
    return Object.fromEntries([...kinds].map((kind) => [typeOf(kind), maker(kind)]));
  },

  /** @param {any} node */
  nodeCreated(node) {
    if (!EDITORS[node.comfyClass]) return;
    node.setSize?.([Math.max(node.size[0], 440), Math.max(node.size[1], 500)]);
  },
});
