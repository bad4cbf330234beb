// Small makers of elements. Everything that takes the focus is an INPUT: ComfyUI's undo leaves those alone.

import { ICONS } from './icons.mjs';

/** An element with properties, attributes (with a dash or lower-case `role`) and children; texts are never
 * markup.
 * @param {string} tag @param {Record<string, any>} props @param {(Node | string)[]} children
 * @returns {any} */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes('-') || name === 'role' || name === 'list') node.setAttribute(name, String(value));
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else Object.assign(node, { [name]: value });
  }
  node.append(...children);
  return node;
}

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name] ?? '');
  svg.append(path);
  return svg;
}

/** A button with an icon. @param {string} name @param {string} label @param {() => void} press */
export function button(name, label, press) {
  const input = el('input', { type: 'button', title: label, 'aria-label': label, onclick: press });
  const root = el('span', { className: `choreo-button choreo-is-${name}` }, icon(name), input);
  return Object.assign(root, {
    input,
    /** @param {boolean} on */
    enable(on) {
      input.disabled = !on;
      root.classList.toggle('choreo-off', !on);
    },
  });
}

/** A row of choices of which one holds. @param {string} label
 * @param {{value: string, label: string, icon?: string}[]}
 * options @param {string} value @param {(value: string) => void} choose */
export function choices(label, options, value, choose) {
  const group = `choreo-${Math.random().toString(36).slice(2)}`;
  const items = options.map((option) => {
    const input = el('input', {
      type: 'radio',
      name: group,
      value: option.value,
      checked: option.value === value,
      title: option.label,
      'aria-label': option.label,
      onchange: () => choose(option.value),
    });
    const face = option.icon ? icon(option.icon) : el('span', {}, option.label);
    return el('label', { className: 'choreo-choice', title: option.label }, input, face);
  });
  return el('span', { className: 'choreo-choices', role: 'radiogroup', 'aria-label': label }, ...items);
}
