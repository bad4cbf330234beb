// The bar above the stage and the buttons beside the timeline.

import { t } from '../i18n/texts.mjs';
import { button, choices, el, icon } from './dom.mjs';
import { removeSelection } from './keys.mjs';
import { reseed } from './linked.mjs';

export class Bar {
  /** @param {import('../editor.mjs').Editor} editor */
  constructor(editor) {
    this.editor = editor;
    const act = (/** @type {string} */ name, /** @type {() => void} */ press) =>
      button(name, t(name), () => {
        press();
        editor.focus();
      });
    const { model, tool } = editor;
    const modes = tool.modes.map((/** @type {string} */ mode) => ({
      value: mode,
      label: t(`mode_${mode}`),
      icon: mode,
    }));
    this.modes = choices(t('mode'), modes, model.mode, (mode) => this.setMode(mode));
    this.modes.classList.add('choreo-modes');
    this.undo = act('undo', () => model.travel('undo'));
    this.redo = act('redo', () => model.travel('redo'));
    this.remove = act('remove', () => removeSelection(editor));
    this.file = el('input', {
      type: 'file',
      accept: 'image/*,video/*,.mkv,.mov',
      hidden: true,
      onchange: () => this.chosen(),
    });
    this.picture = act('picture', () => this.file.click());
    this.chip = el('span', { className: 'choreo-chip' });
    this.reseed = act('reseed', () => reseed(editor));
    const buttons = [
      this.reseed,
      this.picture,
      act('fit', () => editor.fit()),
      act('panel', () => editor.togglePanel()),
      act('help', () => editor.toggleSheet()),
    ];
    this.full = act('full', () => editor.setFull(!editor.full));
    this.root = el(
      'div',
      { className: 'choreo-bar', role: 'toolbar', 'aria-label': t('mode') },
      this.modes,
      this.undo,
      this.redo,
      this.remove,
      editor.siblings.root,
      el('span', { className: 'choreo-space' }),
      this.chip,
      this.file,
      ...buttons,
      this.full,
    );
    this.play = act('play', () => editor.togglePlay());
    this.loop = act('loop', () => {
      editor.player.loop = !editor.player.loop;
      this.update();
    });
    this.playing = [this.play, this.loop];
    this.time = el('span', { className: 'choreo-time', 'aria-hidden': 'true' });
  }

  /** @param {string} mode */
  setMode(mode) {
    this.editor.model.mode = mode;
    this.editor.focus();
    this.editor.update();
  }

  chosen() {
    const [file] = this.file.files;
    if (file) this.editor.clipboard.takeFile(file);
    this.file.value = '';
  }

  update() {
    const { model, player, frames } = this.editor;
    this.undo.enable(model.editable && model.history.past.length > 0);
    this.redo.enable(model.editable && model.history.future.length > 0);
    this.remove.enable(model.editable && model.selection.size > 0);
    for (const input of this.modes.querySelectorAll('input')) input.checked = input.value === model.mode;
    this.face(this.play, player?.playing ? 'pause' : 'play');
    this.face(this.full, this.editor.full ? 'small' : 'full');
    this.loop.classList.toggle('choreo-on', Boolean(player?.loop));
    const kind = frames?.source?.kind ?? 'none';
    this.chip.textContent = model.readOnly ? t('linked') : t(`source_${kind}`);
    this.chip.title = frames?.source?.label ?? '';
    this.picture.input.title = `${t('picture')} · ${this.chip.textContent} ${this.chip.title}`;
    this.reseed.hidden = !this.editor.host.seeded;
    this.reseed.enable(model.editable && Boolean(model.doc.seed));
    this.updateTime();
  }

  updateTime() {
    const { model } = this.editor;
    const words = `${Math.round(model.frame)} / ${model.lastFrame}`;
    if (words !== this.time.textContent) this.time.textContent = words;
  }

  /** @param {any} pressed @param {string} name */
  face(pressed, name) {
    if (pressed.dataset.face === name) return;
    pressed.dataset.face = name;
    pressed.querySelector('svg').replaceWith(icon(name));
    Object.assign(pressed.input, { title: t(name) }).setAttribute('aria-label', t(name));
  }
}
