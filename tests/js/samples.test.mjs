// Sampled strokes and points, and masks, agree with the vectors that Python reads too.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timesOf } from '../../js/core/boxes.mjs';
import { read } from '../../js/core/kinds.mjs';
import { packed, positions } from '../../js/core/mask.mjs';
import { sampler as pointSampler } from '../../js/core/points.mjs';
import { layerCover } from '../../js/core/raster.mjs';
import { sampler, simplified } from '../../js/core/strokes.mjs';
import { agree, testRefusals, vectors } from './vectors.mjs';

for (const kind of ['boxes', 'strokes', 'points', 'mask']) testRefusals(kind);

const STROKES = vectors('strokes');
for (const { name, document, samples: wanted } of STROKES.valid) {
  test(`strokes: ${name}`, () => {
    const { space, strokes } = read(JSON.stringify(document), 'strokes');
    for (const { frames, strokes: expected } of wanted) {
      strokes.forEach((/** @type {any} */ stroke, /** @type {number} */ n) => {
        agree(
          timesOf(space, frames).map(sampler(stroke, space)).flat(),
          expected[n].flat(),
          STROKES.tolerance,
        );
      });
    }
  });
}

/** What the node makes of a drawn point, as the vectors have it: [x, y, visible] in T output frames, hidden
 * outside the canvas; a clicked one is seen in the frames nearest to its keys only. @param {any} point @param {any} space @param {number} frames */
function samples(point, space, frames) {
  const at = pointSampler(point, space);
  const span = Math.max(space.frames - 1, 0);
  const made = Array.from({ length: frames }, (_, i) => at((i * span) / Math.max(frames - 1, 1)));
  if ((point.interp ?? 'track') === 'track') {
    for (const sample of made) sample[2] = 0;
    for (const [f, x, y, visible = 1] of point.k) {
      const frame = Math.floor((f * (frames - 1)) / Math.max(span, 1) + 0.5);
      made[Math.min(frame, frames - 1)] = [x, y, visible > 0 ? 1 : 0];
    }
  }
  return made.map(([x, y, seen]) => [x, y, seen && x >= 0 && x < 1 && y >= 0 && y < 1 ? 1 : 0]);
}

const POINTS = vectors('points');
for (const { name, document, samples: wanted } of POINTS.valid) {
  test(`points: ${name}`, () => {
    const { space, points } = read(JSON.stringify(document), 'points');
    for (const { frames, points: expected } of wanted) {
      points.forEach((/** @type {any} */ point, /** @type {number} */ n) => {
        agree(samples(point, space, frames).flat(), expected[n].flat(), POINTS.tolerance);
      });
    }
  });
}

/** @param {string} text @param {number} count */
function bits(text, count) {
  const bytes = Buffer.from(text, 'base64');
  return Array.from({ length: count }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
}

/** @param {Float32Array} cover @param {number[]} wanted */
function overlap(cover, wanted) {
  let [both, either] = [0, 0];
  cover.forEach((c, i) => {
    both += Number(c >= 0.5 && wanted[i] === 1);
    either += Number(c >= 0.5 || wanted[i] === 1);
  });
  return either ? both / either : 1;
}

/** The greatest coverage of all layers that are not hidden. @param {any[]} layers @param {any} space
 * @param {any} to */
function joinedCover(layers, space, to) {
  const joined = new Float32Array(to.w * to.h);
  for (const layer of layers.filter((l) => !l.hidden)) {
    layerCover(layer, space, to).forEach((c, i) => c > joined[i] && (joined[i] = c));
  }
  return joined;
}

const MASKS = vectors('mask');
for (const { name, document, samples: wanted } of MASKS.valid) {
  test(`mask: ${name}`, () => {
    const { space, layers } = read(JSON.stringify(document), 'mask');
    for (const sample of wanted) {
      const memory = new Map();
      layers.forEach((/** @type {any} */ layer, /** @type {number} */ n) => {
        const cover = layerCover(layer, space, sample, memory);
        assert.ok(overlap(cover, bits(sample.layers[n], sample.w * sample.h)) >= MASKS.iou);
        agree([...layerCover(layer, space, sample, memory)], [...cover], 1e-6);
      });
      const joined = joinedCover(layers, space, sample);
      assert.ok(overlap(joined, bits(sample.joined, sample.w * sample.h)) >= MASKS.iou);
      for (const [x, y, value] of sample.cover ?? []) {
        assert.ok(Math.abs(joined[y * sample.w + x] - value) <= MASKS.tolerance, `${x}, ${y}`);
      }
    }
  });
}

test('points of a mask survive packing to the grid', () => {
  const points = /** @type {[number, number][]} */ ([
    [0.1, 0.2],
    [0.5, 0.25],
    [-0.05, 1.2],
  ]);
  agree(positions(packed(points)).flat(), points.flat(), 0.5 / 8192 + 1e-9);
});

test('a free-hand line is simplified within its tolerance', () => {
  const line = Array.from(
    { length: 200 },
    (_, i) => /** @type {[number, number]} */ ([i / 200, Math.sin(i / 30) / 5]),
  );
  const kept = simplified(line, 0.002);
  assert.ok(kept.length > 8 && kept.length < 60, `${kept.length} points`);
  assert.deepEqual([kept[0], kept.at(-1)], [0, 199]);
});

test('coordinate strings of other packs are drawings of strokes or points', () => {
  const size = { w: 200, h: 100, frames: 16, fps: 8 };
  const one = read("[{'x': 20, 'y': 50}, {'x': 100, 'y': 80}]", 'strokes', size);
  assert.deepEqual(one.strokes[0].k, [
    { x: 0.1, y: 0.5 },
    { x: 0.5, y: 0.8 },
  ]);
  const two = read('[[{"x":20,"y":50},{"x":40,"y":50}],[{"x":100,"y":80}]]', 'strokes', size);
  assert.deepEqual(
    two.strokes.map((/** @type {any} */ s) => s.k.length),
    [2, 1],
  );
  assert.deepEqual(read('[{"x":20,"y":50},{"x":40,"y":50}]', 'points', size).points[1].k, [[0, 0.2, 0.5, 1]]);
  assert.throws(() => read('[{"x":20,"y":50}]', 'boxes', size), /without a size/);
  assert.throws(() => read('[{"x":0.2,"y":0.5},{"x":1,"y":0}]', 'strokes', size), /normalised/);
  assert.throws(() => read('[{"x":20}]', 'strokes', size), /track 1, point 1: y is missing/);
});
