// Edits that all kinds share; each takes a document and gives a new one.

import { listOf } from './document.mjs';
import { COLORS } from './palette.mjs';

/** @typedef {any} Doc */

/** The document with each entry of the ids changed. @param {Doc} doc @param {Set<string>} ids
 * @param {(entry: any) => any} change */
export function changed(doc, ids, change) {
  const list = listOf(doc.choreo);
  return { ...doc, [list]: doc[list].map((/** @type {any} */ e) => (ids.has(e.id) ? change(e) : e)) };
}

/** The document with an entry at the end. @param {Doc} doc @param {any} entry */
export function added(doc, entry) {
  const list = listOf(doc.choreo);
  return { ...doc, [list]: [...(doc[list] ?? []), entry] };
}

/** The document without entries; objects that were only theirs go with them. @param {Doc} doc
 * @param {Set<string>} ids */
export function removed(doc, ids) {
  const list = listOf(doc.choreo);
  const kept = doc[list].filter((/** @type {any} */ e) => !ids.has(e.id));
  const used = new Set(kept.map((/** @type {any} */ e) => e.o));
  const gone = new Set(
    doc[list].filter((/** @type {any} */ e) => ids.has(e.id)).map((/** @type {any} */ e) => e.o),
  );
  const objects = (doc.objects ?? []).filter((/** @type {any} */ o) => used.has(o.id) || !gone.has(o.id));
  return { ...doc, objects, [list]: kept };
}

/** An id that is not taken yet: the prefix and a number. @param {any[]} entries @param {string} prefix */
export function freshId(entries, prefix) {
  const taken = new Set((entries ?? []).map((entry) => entry.id));
  for (let n = 1; ; n++) if (!taken.has(`${prefix}${n}`)) return `${prefix}${n}`;
}

/** The document with a new object, and that object's id. @param {Doc} doc @param {string} noun
 * @returns {[Doc, string]} */
export function withObject(doc, noun) {
  const objects = doc.objects ?? [];
  const id = freshId(objects, 'o');
  const used = new Set(objects.map((/** @type {any} */ o) => o.color));
  const color = COLORS.find((c) => !used.has(c)) ?? COLORS[objects.length % COLORS.length];
  const name = `${noun} ${id.slice(1)}`;
  return [{ ...doc, objects: [...objects, { id, name, color }] }, id];
}

/** The document with one object changed. @param {Doc} doc @param {string} id @param {any} change */
export function objectChanged(doc, id, change) {
  const objects = (doc.objects ?? []).map((/** @type {any} */ o) => (o.id === id ? { ...o, ...change } : o));
  return { ...doc, objects };
}

/** Copies of entries with ids of their own, joined to the document; the ids are given too.
 * @param {Doc} doc @param {any[]} entries @param {any[]} objects their objects
 * @param {(entry: any) => any} moved @returns {[Doc, string[]]} */
export function pasted(doc, entries, objects, moved) {
  const list = listOf(doc.choreo);
  const ids = [];
  for (const entry of entries) {
    const known = (doc.objects ?? []).some((/** @type {any} */ o) => o.id === entry.o);
    const object = objects.find((o) => o.id === entry.o);
    if (!known && object) doc = { ...doc, objects: [...(doc.objects ?? []), object] };
    const id = freshId(doc[list], entry.id.replace(/\d+$/, '').slice(0, 18) || 'e');
    ids.push(id);
    doc = added(doc, moved({ ...structuredClone(entry), id, o: known || object ? entry.o : undefined }));
  }
  return [doc, ids];
}
