// The view of an editor that ComfyUI makes anew (undo, reload, tab change): zoom, frame, mode, selection.

/** @typedef {import('../editor.mjs').Editor} Editor */

/** @param {Editor} editor */
export function saveView({ host, stage, model, root }) {
  const { zoom, centre } = stage.view;
  const panel = root.classList.contains('choreo-with-panel');
  const { frame, mode, brush } = model;
  const { r, hd, opacity } = brush ?? {};
  const selection = [...model.selection];
  host.view = { zoom, centre, frame, mode, panel, selection, ...(brush && { brush: { r, hd, opacity } }) };
}

/** @param {Editor} editor */
export function restoreView({ host, stage, model, root, tool }) {
  const { view } = host;
  if (!view) return;
  Object.assign(stage.view, { zoom: view.zoom || 1, centre: view.centre ?? [0.5, 0.5] });
  if (tool.modes.includes(view.mode)) model.mode = view.mode;
  model.frame = view.frame ?? 0;
  model.selection = new Set(view.selection ?? []);
  if (view.brush) tool.takeBrush?.(model, view.brush);
  root.classList.toggle('choreo-with-panel', Boolean(view.panel));
}
