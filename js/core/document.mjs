// The versioned JSON of a drawing: reading with limits, migration, checking, writing in one key order.

import { choice, identifier, mapping, number, refuse, rows, shown, whole } from './check.mjs';

const VERSION = 1;
const KINDS = ['points', 'boxes', 'strokes', 'mask'];
export const MAX_CHARACTERS = 1_000_000;
export const LARGE = 256_000;
const MAX_DEPTH = 16;
const ORDER = (
  'choreo version space source seed objects boxes points strokes layers id o t m kind name color role neg ' +
  'interp size path timing f x y w h frames fps start step ease in out k r hd p b rle ops ' +
  'feather invert hidden'
).split(' ');
const RANK = new Map(ORDER.map((name, i) => [name, i]));

/** Version n: the pure function that makes n + 1 of it. @type {Record<number, (document: any) => any>} */
const MIGRATIONS = {};

/** The name of the list that holds a kind's entries. @param {string} kind */
export const listOf = (kind) => (kind === 'mask' ? 'layers' : kind);

/** The JSON value of a text within the limits of size and depth; single quotes do for double ones.
 * @param {string} text */
export function loadJson(text) {
  if (text.length > MAX_CHARACTERS) {
    refuse(`The drawing has ${text.length} characters; at most ${MAX_CHARACTERS} are read.`);
  }
  if (!text.includes('"')) text = text.replaceAll("'", '"');
  if (depth(text) > MAX_DEPTH) refuse(`The drawing is nested deeper than ${MAX_DEPTH} levels.`);
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse(`The drawing is not valid JSON (${/** @type {Error} */ (error).message}).`);
  }
}

/** A loaded document of one kind in the present version, its head checked. @param {any} value
 * @param {string} kind */
export function readHead(value, kind) {
  let document = mapping(value, 'The drawing');
  if (!('choreo' in document)) refuse('The drawing has no key "choreo": it was not made by this editor.');
  if (document.choreo !== kind) {
    refuse(
      `The drawing is of the kind ${shown(document.choreo)}; ` +
        `here "${kind}" is wanted (of ${KINDS.join(', ')}).`,
    );
  }
  document = migrated(document);
  const space = mapping(document.space, 'space');
  whole(space.w, 'w', 'space', 1, 32768);
  whole(space.h, 'h', 'space', 1, 32768);
  whole(space.frames, 'frames', 'space', 1, 65536);
  number(space.fps ?? 1, 'fps', 'space', 0.001, 1000);
  const source = mapping(document.source ?? {}, 'source');
  choice(source, 'kind', 'source', ['none', 'video', 'image', 'upstream']);
  const taken = new Set();
  rows(document, 'objects', 'The drawing', 256).forEach((entry, i) => {
    identifier(mapping(entry, `object ${i + 1}`), `object ${i + 1}`, taken);
  });
  return document;
}

/** The document in the present version; newer ones are refused.
 * @param {any} document @param {Record<number, (document: any) => any>} steps @param {number} version */
export function migrated(document, steps = MIGRATIONS, version = VERSION) {
  const found = document.version;
  if (!Number.isInteger(found) || found < 1) {
    refuse(`The drawing has the version ${shown(found)}; it must be a whole number from 1.`);
  }
  if (found > version) {
    refuse(
      `The drawing has version ${found}, this ComfyUI-Choreo reads up to ${version}: update ComfyUI-Choreo.`,
    );
  }
  for (let step = found; step < version; step++) document = { ...steps[step](document), version: step + 1 };
  return document;
}

/** Words for an entry: its id and its object's name. @param {any} document @param {any} entry */
export function label(document, entry) {
  const object = document.objects?.find((/** @type {any} */ o) => o.id === entry.o);
  return object ? String(object.name || object.id) : entry.id;
}

/** Check the entries of a list: each an object with a unique id, of an object that exists.
 * @param {any} document @param {string} noun @param {number} most
 * @param {(entry: any, where: string) => void} check */
export function eachEntry(document, noun, most, check) {
  const taken = new Set();
  const objects = new Set((document.objects ?? []).map((/** @type {any} */ o) => o.id));
  rows(document, listOf(document.choreo), 'The drawing', most).forEach((entry, i) => {
    const id = identifier(mapping(entry, `${noun} ${i + 1}`), `${noun} ${i + 1}`, taken);
    if ((entry.o ?? null) !== null && !objects.has(entry.o)) {
      refuse(`${noun} "${id}": its object ${shown(entry.o)} is not in "objects".`);
    }
    check(entry, entry.o ? `${noun} "${id}" (${label(document, entry)})` : `${noun} "${id}"`);
  });
}

/** The text of a document: known keys in the order of the format and rounded, unknown ones untouched.
 * @param {any} document */
export const write = (document) => JSON.stringify(tidy(document));

/** An empty drawing. @param {string} kind @param {{w: number, h: number, frames: number, fps: number}} space
 * @returns {any} */
export function blank(kind, space) {
  return { choreo: kind, version: VERSION, space, source: { kind: 'none' }, objects: [], [listOf(kind)]: [] };
}

/** @param {any} value @returns {any} */
function tidy(value) {
  if (Array.isArray(value)) return value.map(tidy);
  if (typeof value === 'number') return Math.round(value * 1e4) / 1e4 + 0;
  if (value === null || typeof value !== 'object') return value;
  const last = ORDER.length;
  const names = Object.keys(value).sort((a, b) => (RANK.get(a) ?? last) - (RANK.get(b) ?? last));
  return Object.fromEntries(names.map((name) => [name, RANK.has(name) ? tidy(value[name]) : value[name]]));
}

/** Deepest nesting of brackets outside strings. @param {string} text */
function depth(text) {
  let level = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:\\.|[^"\\])*"?|[[\]{}]/gs)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, ++level);
    else if (token === ']' || token === '}') level--;
  }
  return deepest;
}
