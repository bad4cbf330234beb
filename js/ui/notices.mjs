// What the artist must know, over the stage: an unreadable text with its repair, a linked value, problems,
// hints.

import { el } from './dom.mjs';
import { t } from '../i18n/texts.mjs';

const SHOWN = 100_000; // characters of an unreadable text that a field can take
const ALIKE = 0.01; // how much shapes may differ

/** @typedef {{w: number, h: number}} Size */

/** @param {Size} a @param {Size} b */
const differ = (a, b) => Math.abs((a.w * b.h) / (a.h * b.w) - 1) > ALIKE;
/** @param {Size} shape */
const size = ({ w, h }) => `${w} × ${h}`;
/** A button with a word. @param {string} label @param {() => void} act */
const word = (label, act) =>
  el('input', { type: 'button', value: label, className: 'choreo-word', onclick: act });

export class Notices {
  /** @param {import('../editor.mjs').Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.message = '';
    this.line = el('div', { className: 'choreo-notice', role: 'status' });
    this.broken = el('div', { className: 'choreo-broken', role: 'alert', hidden: true });
    this.question = el('div', { className: 'choreo-notice', role: 'status', hidden: true });
    this.asked = '';
    this.root = el('div', { className: 'choreo-notices' }, this.question, this.line, this.broken);
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
    const shape = this.asks() ? '' : this.stretched();
    const words = this.message || linked || problem?.text || shape || this.cropped() || hint;
    this.line.replaceChildren(words);
    this.line.hidden = !words || Boolean(model.error);
    this.line.classList.toggle(
      'choreo-warns',
      Boolean(words) && [this.message, problem?.text].includes(words),
    );
  }

  /** Says where picture, drawing and node differ in shape. */
  stretched() {
    const { model, frames } = this.editor;
    const to = model.size();
    const shapes = [
      model.entries.length && ['drawn_for', model.doc.space],
      frames?.source && ['shown_from', frames.source],
    ];
    const wrong = shapes.find((of) => of && differ(of[1], to));
    return wrong ? t(wrong[0], { from: size(wrong[1]), to: size(to) }) : '';
  }

  /** Asks what a drawing shall do over a picture of another shape; the answer is part of the drawing.
   * @returns {boolean} whether it asks */
  asks() {
    const { model, frames, stage } = this.editor;
    const { doc, space } = model;
    const picture = frames?.source;
    stage.outlines = [model.size(), ...(picture ? [picture] : [])].filter((shape) => differ(shape, space));
    const open = model.editable && model.entries.length && picture && differ(picture, space);
    const asked = open && !(doc.source?.w && !differ(picture, doc.source));
    const words = asked ? t('asks_shape', { from: size(space), to: size(picture) }) : '';
    if (words === this.asked) return Boolean(asked);
    this.asked = words;
    this.question.hidden = !asked;
    if (!asked) return false;
    const { w, h } = picture;
    const kind = doc.source?.name ? doc.source.kind : 'upstream';
    const kept = () => ({ source: { ...model.doc.source, kind, w, h } });
    const stretched = () => ({ space: { ...model.doc.space, w, h } });
    this.question.replaceChildren(
      words,
      this.answer('keep_shape', kept),
      this.answer('take_shape', stretched),
    );
    return true;
  }

  /** @param {string} name @param {() => any} change */
  answer(name, change) {
    const { model } = this.editor;
    return word(t(name), () => {
      model.edit({ ...model.doc, ...change() });
      this.editor.focus();
      this.editor.say(t(name));
    });
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
    this.broken.replaceChildren(
      el('strong', {}, t('broken')),
      el('p', {}, model.error),
      field,
      el(
        'div',
        {},
        ...(long ? [] : [word(t('repair'), () => this.repair(field.value))]),
        word(t('reset'), () => {
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
