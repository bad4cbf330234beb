// The editors' texts in the language of ComfyUI; English where there is none.

import en from './en.mjs';

/** @type {Record<string, string>} */
let texts = en;

/** @param {string} language such as "zh" or "zh-TW" */
export async function speak(language) {
  texts = language.startsWith('zh') ? { ...en, ...(await import('./zh.mjs')).default } : en;
}

/** @param {string} name @param {Record<string, any>} values */
export function t(name, values = {}) {
  return (texts[name] ?? name).replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ''));
}
