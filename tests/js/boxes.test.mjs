// Boxes in JavaScript agree with the vectors that Python reads too.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampler, timesOf } from '../../js/core/boxes.mjs';
import { eased } from '../../js/core/curve.mjs';
import { DrawingError } from '../../js/core/check.mjs';
import { migrated, write } from '../../js/core/document.mjs';
import { read } from '../../js/core/kinds.mjs';
import { vectors } from './vectors.mjs';

const VECTORS = vectors('boxes');

for (const { name, document, samples } of VECTORS.valid) {
  test(`samples: ${name}`, () => {
    const read_ = read(JSON.stringify(document), 'boxes');
    for (const sample of samples) {
      const times = timesOf(read_.space, sample.frames);
      read_.boxes.forEach((/** @type {any} */ box, /** @type {number} */ n) => {
        const made = times.map(sampler(box, read_.space)).flat();
        const wanted = sample.boxes[n].flat();
        assert.equal(made.length, wanted.length);
        const worst = Math.max(...made.map((value, i) => Math.abs(value - wanted[i])));
        assert.ok(worst <= VECTORS.tolerance, `box ${n + 1} is ${worst} away`);
      });
    }
  });
}

test('eases agree', () => {
  for (const { ease, t, s } of VECTORS.eases) {
    t.forEach((/** @type {number} */ time, /** @type {number} */ i) => {
      assert.ok(Math.abs(eased(ease, time) - s[i]) < 2e-5, `${ease} at ${time}`);
    });
  }
});

test('a document is written in one order, rounded, with unknown keys untouched', () => {
  const text =
    '{"x_a":[0.123456],"boxes":[{"k":[{"y":0.5,"x":0.333333,"f":0,"h":0.1,"w":0.1}],"id":"b1"}],' +
    '"space":{"frames":2,"h":5,"w":5},"version":1,"choreo":"boxes"}';
  assert.equal(
    write(read(text, 'boxes')),
    '{"choreo":"boxes","version":1,"space":{"w":5,"h":5,"frames":2},"boxes":[{"id":"b1",' +
      '"k":[{"f":0,"x":0.3333,"y":0.5,"w":0.1,"h":0.1}]}],"x_a":[0.123456]}',
  );
});

test('migrations run one step a version and leave the old document alone', () => {
  const old = { version: 1, a: 4 };
  const steps = {
    1: (/** @type {any} */ d) => ({ ...d, a: d.a + 1 }),
    2: (/** @type {any} */ d) => ({ ...d, a: d.a * 10 }),
  };
  assert.deepEqual(migrated(old, steps, 3), { version: 3, a: 50 });
  assert.deepEqual(old, { version: 1, a: 4 });
});

for (const [text, words] of /** @type {[string, string][]} */ ([
  ['{', 'not valid JSON'],
  ['3', 'must be a JSON object'],
  ['{"positive": []}', 'no key "choreo"'],
  ['['.repeat(400000), 'deeper than 16'],
  ['x'.repeat(1_000_001), '1000001 characters'],
])) {
  test(`bad text: ${text.slice(0, 20)}`, () => {
    assert.throws(
      () => read(text, 'boxes'),
      (/** @type {Error} */ e) => e instanceof DrawingError && e.message.includes(words),
    );
  });
}
