// The side panel: a listbox of the objects for keyboard and screen reader, and the selection's numbers.

import { objectChanged } from '../core/edits.mjs';
import { t } from '../i18n/texts.mjs';
import { button, choices, el } from './dom.mjs';
import { ICONS } from './icons.mjs';

let count = 0;

export class Panel {
  /** @param {import('../editor.mjs').Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.model = editor.model;
    this.active = 0;
    /** @type {Map<string, any>} the fields as they are now */ this.now = new Map();
    /** @type {Map<string, any>} */ this.inputs = new Map();
    /** @type {any[] | undefined} */ this.known = undefined;
    const id = `choreo-list-${++count}`;
    this.list = el('ul', {
      id,
      className: 'choreo-list',
      role: 'listbox',
      'aria-label': t('objects'),
      'aria-multiselectable': 'true',
    });
    this.picker = el('input', {
      type: 'text',
      readOnly: true,
      className: 'choreo-picker',
      role: 'combobox',
      'aria-controls': id,
      'aria-expanded': 'true',
      'aria-label': t('objects'),
      onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e),
    });
    this.fields = el('div', { className: 'choreo-fields' });
    this.root = el('div', { className: 'choreo-panel' }, this.picker, this.list, this.fields);
  }

  /** Whether the panel is open; full screen it is unless closed. */
  get open() {
    return this.editor.root.classList.contains('choreo-with-panel') !== this.editor.full;
  }

  update() {
    if (!this.open) return;
    this.updateList();
    this.updateFrame();
  }

  /** Only what depends on the frame: the list does not. */
  updateFrame() {
    if (this.open && !this.fields.contains(document.activeElement)) this.updateFields();
  }

  updateList() {
    const { model } = this;
    this.active = Math.min(Math.max(this.active, 0), Math.max(model.entries.length - 1, 0));
    const first = model.entries.findIndex((entry) => model.selection.has(entry.id));
    if (first >= 0 && document.activeElement !== this.picker) this.active = first;
    this.list.replaceChildren(...model.entries.map((entry, i) => this.row(entry, i)));
    if (!model.entries.length)
      this.list.append(el('li', { className: 'choreo-none', role: 'presentation' }, t('nothing')));
    const current = this.list.children[this.active];
    this.picker.setAttribute('aria-activedescendant', current?.id ?? '');
    this.picker.value = model.entries[this.active] ? model.nameOf(model.entries[this.active]) : '';
    if (document.activeElement === this.picker) current?.scrollIntoView({ block: 'nearest' });
  }

  /** @param {any} entry @param {number} i */
  row(entry, i) {
    const { model, editor } = this;
    const hidden = model.hidden.has(entry.id) || entry.hidden === 1;
    const selected = model.selection.has(entry.id);
    const eye = button(hidden ? 'shut' : 'eye', t(hidden ? 'show' : 'hide'), () => this.hide(entry));
    eye.input.tabIndex = -1;
    const swatch = el('span', { className: 'choreo-swatch' });
    swatch.style.background = model.colorOf(entry);
    const word = editor.tool.row(entry);
    return el(
      'li',
      {
        id: `${this.list.id}-${i}`,
        role: 'option',
        'aria-selected': selected,
        'aria-label': `${model.nameOf(entry)}, ${word}`,
        className: `${i === this.active ? 'choreo-active' : ''} ${hidden ? 'choreo-hidden' : ''}`,
        onclick: (/** @type {MouseEvent} */ e) => this.choose(i, e.shiftKey || e.ctrlKey || e.metaKey),
      },
      swatch,
      el('span', { className: 'choreo-name' }, model.nameOf(entry)),
      el('small', {}, word),
      eye,
    );
  }

  /** @param {number} i @param {boolean} extend */
  choose(i, extend) {
    const entry = this.model.entries[i];
    if (!entry) return;
    this.active = i;
    const ids = new Set(extend ? this.model.selection : []);
    if (extend && ids.has(entry.id)) ids.delete(entry.id);
    else ids.add(entry.id);
    this.model.select(ids);
    this.editor.saySelection();
  }

  /** @param {any} entry */
  hide(entry) {
    const { model, editor } = this;
    if (editor.tool.hide) return editor.tool.hide(model, entry);
    if (!model.hidden.delete(entry.id)) model.hidden.add(entry.id);
    model.tell('select');
  }

  /** Keys of the list; others go on to the editor. @param {KeyboardEvent} event */
  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const entry = this.model.entries[this.active];
    if (step)
      this.choose(Math.min(Math.max(this.active + step, 0), this.model.entries.length - 1), event.shiftKey);
    else if (event.key === 'F2' || event.key === 'Enter') this.fields.querySelector('input')?.focus();
    else if (event.key === 'h' && entry) this.hide(entry);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  updateFields() {
    const { model, editor } = this;
    const entry = model.selected[0];
    const object = model.objects.find((o) => o.id === entry?.o);
    const fields = entry || editor.tool.always ? editor.tool.fields(model) : [];
    this.now = new Map(fields.map((/** @type {any} */ field) => [field.name, field]));
    const words = fields.map((/** @type {any} */ f) => `${f.name} ${f.options ? f.value : ''}`);
    const key = [entry?.id, object, model.editable, words.join()];
    if (key.every((part, i) => part === this.known?.[i])) return this.updateNumbers(fields);
    this.known = key;
    this.inputs.clear();
    const none = el('p', { className: 'choreo-none' }, t('pick'));
    this.fields.replaceChildren(
      ...(object ? [this.identity(object)] : []),
      ...fields.map((/** @type {any} */ field) => (field.options ? this.choice(field) : this.number(field))),
      ...(fields.length ? [] : [none]),
    );
  }

  /** The fields in the page fit: they only get their numbers. @param {any[]} fields */
  updateNumbers(fields) {
    for (const field of fields) {
      const input = this.inputs.get(field.name);
      if (input && input.value !== shown(field)) input.value = shown(field);
    }
  }

  /** @param {any} object */
  identity(object) {
    const { model } = this;
    const change = (/** @type {any} */ values) =>
      model.edit(objectChanged(model.doc, object.id, values), `${object.id} ${Object.keys(values)}`);
    return el(
      'div',
      { className: 'choreo-identity' },
      el('input', {
        type: 'text',
        value: object.name ?? object.id,
        maxLength: 80,
        'aria-label': t('name'),
        title: t('name'),
        onchange: (/** @type {any} */ e) => change({ name: e.target.value }),
      }),
      el('input', {
        type: 'color',
        value: model.colorOf({ o: object.id }),
        'aria-label': t('color'),
        title: t('color'),
        onchange: (/** @type {any} */ e) => change({ color: e.target.value }),
      }),
    );
  }

  /** @param {any} field */
  number(field) {
    const input = el('input', {
      type: 'number',
      step: field.step ?? 1,
      value: shown(field),
      'aria-label': t(field.name),
      disabled: !this.model.editable,
      onchange: () =>
        Number.isFinite(input.valueAsNumber) &&
        this.now.get(field.name).set(Math.max(input.valueAsNumber, field.low ?? -1e6)),
    });
    this.inputs.set(field.name, input);
    return el('label', { className: 'choreo-number' }, el('span', {}, t(field.name)), input);
  }

  /** @param {any} field */
  choice(field) {
    const options = field.options.map((/** @type {string} */ value) => ({
      value,
      label: t(value),
      icon: field.name === 'ease' && value in ICONS ? value : undefined,
    }));
    const row = choices(t(field.name), options, field.value, (value) => {
      this.now.get(field.name).set(value);
      this.editor.focus();
    });
    return el('div', { className: 'choreo-field' }, el('span', {}, t(field.name)), row);
  }
}

/** @param {any} field */
const shown = (field) => String(Math.round(field.value * 100) / 100);
