// Editors over the same picture: each shows the drawings of the others faintly under its own, and full screen
// goes from one to the next. Every drawing stays its own node's value, with its own history.

import { t } from '../i18n/texts.mjs';
import { choices, el } from './dom.mjs';

const STATE = { playing: true, hover: null, touch: null, moving: [] };

/** @typedef {import('../editor.mjs').Editor} Editor */

export class Siblings {
  /** @param {Editor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {Editor[]} this editor and its siblings, in one order for all of them */ this.all = [editor];
    this.root = el('span', { className: 'choreo-drawings' });
    this.names = '';
    const { stage, model } = editor;
    const docs = () => this.others.flatMap(({ model: m }) => [m.doc, m.brush?.opacity, [...m.hidden].join()]);
    const timed = () => (this.others.length ? [model.frame, ...docs()] : []);
    stage.addResting(docs, (pen) => this.paint(pen, false), 'choreo-others');
    stage.addResting(timed, (pen) => this.paint(pen, true), 'choreo-others');
  }

  get others() {
    return this.all.filter((one) => one !== this.editor);
  }

  /** Look who is over this picture now. */
  update() {
    const { editor } = this;
    const found = editor.gone ? [] : editor.host.siblings();
    this.all = found.includes(editor) ? found : [editor];
    const names = this.all.map(({ host }) => host.title);
    if (names.join('\n') !== this.names) this.showSwitch(names);
    const own = String(this.all.indexOf(editor));
    for (const input of this.root.querySelectorAll('input')) input.checked = input.value === own;
  }

  /** Have the former and the present siblings look at this drawing again. */
  tell() {
    const former = this.others;
    this.update();
    for (const one of new Set([...former, ...this.others])) if (!one.gone) one.update();
  }

  /** @param {string[]} names */
  showSwitch(names) {
    this.names = names.join('\n');
    const options = names.map((label, i) => ({ value: String(i), label }));
    const go = (/** @type {string} */ i) => this.go(this.all[Number(i)]);
    this.root.hidden = names.length < 2;
    this.root.replaceChildren(choices(t('drawings'), options, '', go));
  }

  /** The drawing after this one, in full screen. */
  next() {
    const { all, editor } = this;
    if (editor.full) this.go(all[(all.indexOf(editor) + 1) % all.length]);
  }

  /** Draw in a sibling: view, frame and full screen stay. @param {Editor | undefined} other */
  go(other) {
    const { editor } = this;
    if (!other || other === editor) return;
    const { zoom, centre } = editor.stage.view;
    const panel = editor.root.classList.contains('choreo-with-panel');
    editor.pause();
    editor.setFull(false);
    other.root.classList.toggle('choreo-with-panel', panel);
    other.setFull(true);
    Object.assign(other.stage.view, { zoom, centre });
    const frame = other.model.frameOf(editor.model);
    if (editor.model.frameOf(other.model) !== Math.round(editor.model.frame)) other.seek(frame);
    other.stage.redraw();
    other.say(t('said_drawing', { what: other.host.title, frame: Math.round(other.model.frame) }));
  }

  /** @param {import('../core/pen.mjs').Pen} pen @param {boolean} timed what moves with the frame, or what rests */
  paint(pen, timed) {
    for (const { model, tool } of this.others) {
      const entries = model.entries.filter((entry) => !model.hidden.has(entry.id));
      model.seen(model.frameOf(this.editor.model), () =>
        timed ? tool.paint(pen, model, STATE) : tool.paintStill?.(pen, model, entries, STATE),
      );
    }
  }
}
