// The golden vectors that JavaScript and Python share.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DrawingError } from '../../js/core/check.mjs';
import { KIND, read } from '../../js/core/kinds.mjs';

/** @param {string} kind */
export function vectors(kind) {
  return JSON.parse(readFileSync(new URL(`../goldens/editor_${kind}.json`, import.meta.url), 'utf-8'));
}

/** Each wrong document gives a sentence with the words that the vectors ask for. @param {string} kind */
export function testRefusals(kind) {
  for (const { name, document, mentions } of vectors(kind).invalid) {
    test(`${kind} refused: ${name}`, () => {
      const message = complaint(JSON.stringify(document), kind);
      for (const word of mentions) assert.ok(message.includes(word), `"${word}" is not in: ${message}`);
    });
  }
}

/** What the reader or the checks say about a text. @param {string} text @param {string} kind */
export function complaint(text, kind) {
  try {
    return KIND[kind]
      .problems(read(text, kind))
      .map((p) => p.text)
      .join(' ');
  } catch (error) {
    assert.ok(error instanceof DrawingError, String(error));
    return error.message;
  }
}

/** Assert that numbers agree within a tolerance. @param {number[]} made @param {number[]} wanted
 * @param {number} tolerance */
export function agree(made, wanted, tolerance) {
  assert.equal(made.length, wanted.length);
  const worst = made.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0);
  assert.ok(worst <= tolerance, `${worst} apart`);
}
