// Linked data: what the node took from its links becomes the drawing, or is shown.

import { t } from '../i18n/texts.mjs';

/** @typedef {import('../editor.mjs').Editor} Editor */

/** The drawing that linked data gave: one step that can be undone. @param {Editor} editor @param {string} text */
export function takeSeed(editor, text) {
  const { model } = editor;
  const doc = model.parsed(text);
  if (!model.editable || doc.seed === model.doc.seed) return;
  model.edit(doc);
  editor.say(t('said_seeded'));
}

/** Take the linked data again at the next run. @param {Editor} editor */
export function reseed(editor) {
  const { seed: _seed, ...doc } = editor.model.doc;
  editor.model.edit(doc);
  editor.notices.say(t('reseeding'));
}

/** What a text linked to the value says, to look at; the value stays. @param {Editor} editor @param {string} text */
export function showLinked(editor, text) {
  if (!editor.model.readOnly) return;
  editor.model.doc = editor.model.parsed(text);
  editor.update();
}
