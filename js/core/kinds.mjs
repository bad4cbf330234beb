// The kinds of drawings: how each is read.

import * as boxes from './boxes.mjs';
import { fromCoordinates } from './coordinates.mjs';
import { loadJson, readHead } from './document.mjs';
import * as mask from './mask.mjs';
import * as points from './points.mjs';
import * as strokes from './strokes.mjs';

/** @typedef {{id: string, text: string}} Problem */

/** @type {Record<string, {check: (document: any) => void, problems: (document: any) => Problem[]}>} */
export const KIND = { boxes, points, strokes, mask };

/** The document of a text, in the present version; throws a DrawingError.
 * @param {string} text @param {string} kind @param {any} [size] the node's canvas, for coordinate strings */
export function read(text, kind, size) {
  const value = loadJson(text);
  return checked(Array.isArray(value) && size ? fromCoordinates(value, kind, size) : value, kind);
}

/** A loaded document in the present version, all of it checked. @param {any} value @param {string} kind */
export function checked(value, kind) {
  const document = readHead(value, kind);
  KIND[kind].check(document);
  return document;
}
