// What the artist must know, over the stage: an unreadable text with its repair, a linked value, problems,
// hints.

import { el } from './dom.mjs';
import { t } from '../i18n/texts.mjs';

const SHOWN = 100_000; // characters of an unreadable text that a field can take

export class Notices {
  /** @param {import('../editor.mjs').Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.message = '';
    this.line = el('div', { className: 'choreo-notice', role: 'status' });
    this.broken = el('div', { className: 'choreo-broken', role: 'alert', hidden: true });
    this.root = el('div', { className: 'choreo-notices' }, this.line, this.broken);
  }

  /** Show a sentence until the next one. @param {string} message */
  say(message) {
    this.message = message;
    this.update();
  }

  update() {
    const { model } = this.editor;
    if (this.broken.hidden !== !model.error || (model.error && model.error !== this.error)) this.showBroken();
    const [problem] = model.entries.length ? model.problems : [];
    const hint = model.entries.length || model.error ? '' : t(`hint_${model.kind}`);
    const linked = model.readOnly ? t('linked_note') : '';
    const shape = this.stretched();
    const words = this.message || linked || problem?.text || shape || this.cropped() || hint;
    this.line.replaceChildren(words);
    this.line.hidden = !words || Boolean(model.error);
    this.line.classList.toggle(
      'choreo-warns',
      Boolean(words) && [this.message, problem?.text].includes(words),
    );
  }

  /** Says where picture, drawing and node differ in shape by more than 1 %, and has the stage outline it. */
  stretched() {
    const { model, frames, stage } = this.editor;
    const to = model.size();
    const shapes = [
      model.entries.length && ['drawn_for', model.doc.space],
      frames?.source && ['shown_from', frames.source],
    ];
    const differ = (/** @type {any} */ a, /** @type {any} */ b) =>
      Math.abs((a.w * b.h) / (a.h * b.w) - 1) > 0.01;
    const wrong = shapes.find((of) => of && differ(of[1], to));
    const others = frames?.source ? [to, frames.source] : [to];
    stage.outlines = others.filter((shape) => differ(shape, model.space));
    if (!wrong) return '';
    const words = (/** @type {any} */ { w, h }) => `${w} × ${h}`;
    return t(wrong[0], { from: words(wrong[1]), to: words(to) });
  }

  /** Says that the loaded file is cropped on its way here, so the picture shows more than the node gets. */
  cropped() {
    return this.editor.frames?.source?.cropped ? t('cropped') : '';
  }

  showBroken() {
    const { model } = this.editor;
    this.error = model.error;
    this.broken.hidden = !model.error;
    if (!model.error) return this.broken.replaceChildren();
    const long = model.text.length > SHOWN;
    const field = el('textarea', {
      value: long ? '' : model.text,
      spellcheck: false,
      hidden: long,
      'aria-label': t('broken'),
    });
    const press = (/** @type {string} */ label, /** @type {() => void} */ act) =>
      el('input', { type: 'button', value: label, className: 'choreo-word', onclick: act });
    this.broken.replaceChildren(
      el('strong', {}, t('broken')),
      el('p', {}, model.error),
      field,
      el(
        'div',
        {},
        ...(long ? [] : [press(t('repair'), () => this.repair(field.value))]),
        press(t('reset'), () => {
          model.reset();
          this.editor.focus();
        }),
      ),
    );
  }

  /** @param {string} text */
  repair(text) {
    const { model } = this.editor;
    model.load(text);
    if (!model.error) model.written();
    this.editor.focus();
  }
}
