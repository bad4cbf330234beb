// Full screen: the same editor, moved into a dialog of ours and back.

import { el } from './dom.mjs';

/** @param {import('../editor.mjs').Editor & {dialog?: any}} editor @param {boolean} full */
export function showFull(editor, full) {
  editor.full = full;
  editor.root.classList.toggle('choreo-full', full);
  if (full) {
    const label = editor.stage.root.getAttribute('aria-label');
    const dialog = el('dialog', { className: 'choreo-dialog', 'aria-label': label }, editor.root);
    dialog.addEventListener('cancel', (/** @type {Event} */ event) => event.preventDefault());
    dialog.addEventListener('close', () => editor.setFull(false));
    document.body.append(dialog);
    dialog.showModal();
    editor.dialog = dialog;
  } else {
    editor.holder.append(editor.root);
    editor.dialog?.remove();
    editor.dialog = undefined;
  }
  editor.fit();
  editor.update();
  editor.focus();
}
