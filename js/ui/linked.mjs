// Linked data: what the node took from its links becomes the drawing, or is shown.

import { DrawingError } from '../core/check.mjs';
import { t } from '../i18n/texts.mjs';

/** @typedef {import('../editor.mjs').Editor} Editor */

/** The drawing that linked data gave: one step that can be undone. @param {Editor} editor @param {string} text */
export function takeSeed(editor, text) {
  const { model } = editor;
  const doc = parsed(editor, text);
  if (!doc || !model.editable || doc.seed === model.doc.seed) return;
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
  const doc = editor.model.readOnly && parsed(editor, text);
  if (!doc) return;
  editor.model.doc = doc;
  editor.update();
}

/** What a text says, or nothing but a message. @param {Editor} editor @param {string} text */
function parsed(editor, text) {
  try {
    return editor.model.parsed(text);
  } catch (error) {
    if (!(error instanceof DrawingError)) throw error;
    editor.notices.say(error.message);
  }
}
