// The editor: one core (model, stage, timeline, panel, keys) around one tool. Runs in the node and full
// screen.

import { Frames, pictureAt } from './core/frames.mjs';
import { LARGE } from './core/document.mjs';
import { Model } from './core/model.mjs';
import { speak, t } from './i18n/texts.mjs';
import { TOOLS } from './tools/all.mjs';
import { Bar } from './ui/bar.mjs';
import { Clipboard } from './ui/clipboard.mjs';
import { el } from './ui/dom.mjs';
import { showFull } from './ui/full.mjs';
import { Keys } from './ui/keys.mjs';
import { Notices } from './ui/notices.mjs';
import { Panel } from './ui/panel.mjs';
import { Player } from './ui/player.mjs';
import { Pointers } from './ui/pointers.mjs';
import { makeSheet } from './ui/sheet.mjs';
import { Siblings } from './ui/siblings.mjs';
import { Stage } from './ui/stage.mjs';
import { Timeline } from './ui/timeline.mjs';
import { restoreView, saveView } from './ui/view_state.mjs';

let count = 0;

/** An editor inside an element. @param {HTMLElement} holder @param {string} kind @param {any} host a NodePort
 * @param {string} text */
export async function mount(holder, kind, host, text) {
  await speak(host.locale());
  return new Editor(holder, kind, host, text);
}

export class Editor {
  /** @param {HTMLElement} holder @param {string} kind @param {any} host @param {string} text */
  constructor(holder, kind, host, text) {
    this.holder = holder;
    this.host = host;
    this.tool = TOOLS[kind];
    this.model = new Model(kind, () => host.size());
    this.model.mode = this.tool.start ?? this.tool.modes[0];
    /** @type {any} */ this.hover = null;
    /** @type {number[] | null} */ this.area = null;
    this.full = false;
    this.sheetOpen = false;
    this.gone = false;
    this.sourceKey = '';
    const id = `choreo-about-${++count}`;
    const scale = () => (this.full ? 1 : this.host.scale());
    const label = t('label', { kind: t(`kind_${kind}`) });
    this.stage = new Stage({ label, describedBy: id, scale });
    this.stage.paint = (pen) => this.paint(pen);
    this.siblings = new Siblings(this);
    this.stage.addResting(
      () => this.stillKey(),
      (pen) => this.tool.paintStill(pen, this.model, this.resting, this.state),
    );
    const words = (/** @type {number} */ frame) => t('frame', { frame, last: this.model.lastFrame });
    this.timeline = new Timeline(this.model, this.tool, { label: t('timeline'), text: words, scale });
    this.live = el('div', { className: 'choreo-live', role: 'status', 'aria-live': 'polite' });
    this.notices = new Notices(this);
    this.panel = new Panel(this);
    this.bar = new Bar(this);
    this.main = el('div', { className: 'choreo-main' }, this.stage.root, this.panel.root, this.notices.root);
    /** @type {any} */
    this.root = el(
      'div',
      { className: 'choreo-editor', 'data-capture-wheel': 'true', 'data-kind': kind },
      this.bar.root,
      this.main,
      el('div', { className: 'choreo-foot' }, ...this.bar.playing, this.timeline.root, this.bar.time),
      el('p', { id, className: 'choreo-live' }, t('describe')),
      this.live,
    );
    this.pointers = new Pointers(this);
    this.keys = new Keys(this, this.pointers);
    this.clipboard = new Clipboard(this);
    this.holder.append(this.root);
    this.frames = new Frames(
      (picture) => this.showPicture(picture),
      (message) => this.notices.say(message),
    );
    this.player = new Player(this);
    this.model.listeners.add((what) => this.changed(what));
    restoreView(this);
    this.load(text);
  }

  /** The value, as ComfyUI saves it. */
  get text() {
    return this.model.text;
  }

  /** A value from outside: load, undo, paste, clone. @param {string} text */
  load(text) {
    this.model.readOnly = this.host.linked;
    this.model.load(text);
    this.refreshSource();
  }

  /** @param {string} what the model tells */
  changed(what) {
    if (what === 'edit') this.commit();
    if (what === 'refused') this.notices.say(this.model.refusal || t('too_large'));
    if (what === 'frame') this.wantPicture();
    if (what === 'preview' || what === 'frame') {
      this.stage.redraw(false);
      this.timeline.update();
      this.bar.updateTime();
      if (what === 'frame') this.panel.updateFrame();
    } else this.update();
  }

  commit() {
    const { model } = this;
    saveView(this);
    this.host.changed(model.text);
    if (model.text.length > LARGE)
      this.notices.say(t('large', { size: Math.round(model.text.length / 1000) }));
    const what =
      model.selected.length === 1
        ? model.nameOf(model.selected[0])
        : t('selected_many', { count: model.selected.length });
    if (model.selected.length) this.say(t('said_edit', { what, frame: Math.round(model.frame) }));
    this.refreshSource();
    this.siblings.tell();
  }

  /** Show everything as the model has it. */
  update() {
    const { w, h } = this.model.space;
    this.siblings.update();
    this.stage.view.canvas = { w, h };
    this.stage.redraw();
    this.timeline.update();
    this.bar.update();
    this.panel.update();
    this.notices.update();
  }

  /** What a tool paints with. */
  get state() {
    const { moving } = this.model;
    return { playing: this.player.playing, hover: this.hover, touch: this.touch, moving };
  }

  /** The entries that the still layer shows: all but the hidden ones and those that a gesture changes. */
  get resting() {
    const { entries, hidden, moving } = this.model;
    if (!hidden.size && !moving.length) return entries;
    const without = new Set(moving);
    return entries.filter((entry) => !hidden.has(entry.id) && !without.has(entry));
  }

  /** All that the still layer depends on. @returns {any[]} */
  stillKey() {
    if (!this.tool.paintStill) return [];
    const { space, selection, objects } = this.model;
    const shape = [space.w, space.h, space.frames, this.model.size().frames];
    return [this.player.playing, selection, objects, ...shape, ...this.resting];
  }

  /** @param {import('./core/pen.mjs').Pen} pen */
  paint(pen) {
    const { state } = this;
    if (state.moving.length) this.tool.paintStill?.(pen, this.model, state.moving, state);
    this.tool.paint(pen, this.model, state);
    if (!this.area) return;
    const [x0, y0, x1, y1] = this.area;
    pen.box([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], {
      width: 1,
      dash: [4, 3],
      fill: 'rgba(255,255,255,.08)',
    });
  }

  /** @param {any} touch what the pointer is over; null when it left */
  hovered(touch) {
    this.touch = touch;
    const hit = touch && this.model.editable ? this.tool.hit(this.model, touch) : null;
    const cursor = hit ? (hit.what === 'body' ? 'move' : 'pointer') : 'crosshair';
    this.stage.showCursor(this.tool.cursor?.(this.model) ?? cursor);
    const same = (hit?.box?.id ?? hit?.id) === (this.hover?.box?.id ?? this.hover?.id);
    this.hover = hit;
    if (!same || this.tool.cursor) this.stage.redraw(false);
  }

  // pictures

  /** The node changed: its size, its links. */
  nodeChanged() {
    this.model.readOnly = this.host.linked;
    this.refreshSource();
    this.siblings.tell();
    this.update();
  }

  /** Open the pictures again if they come from elsewhere now. */
  async refreshSource() {
    const key = this.host.sourceKey(this.model.doc.source);
    if (key === this.sourceKey) return;
    this.sourceKey = key;
    const problems = /** @type {string[]} */ ([]);
    const fps = this.model.space.fps || this.host.size().fps;
    const source = await this.host.openSource(this.model.doc.source, fps, problems);
    if (key !== this.sourceKey || this.gone) return source?.close();
    this.frames.use(source);
    this.notices.say(source || !problems.length ? '' : problems[0]);
    this.wantPicture();
    this.bar.update();
    this.notices.update();
    this.timeline.pictures = [];
    if (source?.strip) this.timeline.pictures = await source.strip().catch(() => []);
    this.timeline.redraw();
  }

  wantPicture() {
    const { source } = this.frames;
    if (source) this.frames.want(pictureAt(Math.round(this.model.frame), this.model.lastFrame, source.count));
  }

  /** @param {CanvasImageSource | null} picture */
  showPicture(picture) {
    this.stage.picture = picture;
    this.stage.redraw();
  }

  // what keys and buttons do

  get focused() {
    return this.root.contains(document.activeElement);
  }

  focus() {
    this.timeline.focus();
  }

  /** @param {string} words for screen readers */
  say(words) {
    this.live.textContent = words;
  }

  saySelection() {
    const names = this.model.selected.map((entry) => this.model.nameOf(entry)).join(', ');
    this.say(names ? t('said_selected', { what: names }) : t('said_none'));
  }

  /** @param {number} frame */
  seek(frame) {
    this.pause();
    this.model.seek(frame);
  }

  togglePlay() {
    this.player.toggle();
  }

  pause() {
    this.player.stop();
  }

  fit() {
    this.stage.view.fit();
    this.stage.redraw();
  }

  actualSize() {
    this.stage.view.actualSize();
    this.stage.redraw();
  }

  togglePanel() {
    this.root.classList.toggle('choreo-with-panel');
    this.update();
  }

  toggleSheet() {
    this.sheetOpen = !this.sheetOpen;
    this.sheet?.remove();
    if (this.sheetOpen) this.main.append((this.sheet = makeSheet(this)));
    this.focus();
  }

  /** Give the selection the n-th object, or choose it for what is drawn next; -1 chooses none.
   * @param {number} n @returns {boolean} */
  chooseObject(n) {
    const { model } = this;
    const object = model.objects[n];
    if (!object && n >= 0) return true;
    if (object && model.selection.size) this.tool.assign(model, object.id);
    else model.object = object?.id ?? '';
    if (object) this.say(t('said_object', { what: object.name ?? object.id }));
    this.update();
    return true;
  }

  duplicate() {
    this.clipboard.duplicate();
  }

  /** @param {boolean} full */
  setFull(full) {
    if (full !== this.full) showFull(this, full);
  }

  dispose() {
    saveView(this);
    this.gone = true;
    this.setFull(false);
    this.player.stop();
    this.siblings.tell();
    this.frames.use(null);
    this.stage.dispose();
    this.timeline.dispose();
    this.root.remove();
  }
}
