// The sheet of shortcuts.

import { t } from '../i18n/texts.mjs';
import { button, el } from './dom.mjs';

const COMMON = [
  ['← → ↑ ↓', 'keys_nudge'],
  [', .', 'keys_step'],
  ['Home End', 'keys_ends'],
  ['K', 'keys_next'],
  ['Space', 'keys_play'],
  ['1 – 9', 'keys_object'],
  ['Del', 'keys_remove'],
  ['⇧ Del', 'keys_remove_key'],
  ['Ctrl Z', 'keys_undo'],
  ['Ctrl C / V / D', 'keys_copy'],
  ['F  0', 'keys_fit'],
  ['⇧', 'keys_shift'],
  ['Alt', 'keys_alt'],
  ['L', 'keys_panel'],
  ['Enter', 'keys_full'],
  ['S', 'keys_switch'],
  ['Esc', 'keys_escape'],
];

/** @param {import('../editor.mjs').Editor} editor */
export function makeSheet(editor) {
  const rows = [...(editor.tool.shortcuts ?? []), ...COMMON];
  return el(
    'div',
    { className: 'choreo-sheet', role: 'dialog', 'aria-label': t('help') },
    button('close', t('keys_close'), () => editor.toggleSheet()),
    el('dl', {}, ...rows.flatMap(([keys, words]) => [el('dt', {}, keys), el('dd', {}, t(words))])),
  );
}
