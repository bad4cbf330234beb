// The model: what is a step of history, what is kept, what is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { added, freshId, pasted, removed, withObject } from '../../js/core/edits.mjs';
import { Recent, pictureAt } from '../../js/core/frames.mjs';
import { Model } from '../../js/core/model.mjs';
import { Viewport } from '../../js/core/viewport.mjs';
import en from '../../js/i18n/en.mjs';
import zh from '../../js/i18n/zh.mjs';

const SIZE = { w: 640, h: 360, frames: 14, fps: 8 };
const box = (/** @type {string} */ id, x = 0.5) => ({
  id,
  o: 'o1',
  k: [{ f: 0, x, y: 0.5, w: 0.2, h: 0.2 }],
});

function started() {
  const model = new Model('boxes', () => SIZE);
  model.load('');
  const [doc] = withObject(model.doc, 'cat');
  model.edit(added(doc, box('b1')));
  return model;
}

test('edits are steps, those of one gesture are one, undo and redo bring the text back', () => {
  const model = started();
  const first = model.text;
  for (const x of [0.4, 0.3, 0.2]) model.edit({ ...model.doc, boxes: [box('b1', x)] }, 'nudge');
  const last = model.text;
  assert.equal(model.history.past.length, 2);
  assert.ok(model.travel('undo'));
  assert.equal(model.text, first);
  assert.ok(model.travel('redo'));
  assert.equal(model.text, last);
  assert.equal(model.travel('redo'), false);
});

test('a gesture that is cancelled leaves no trace', () => {
  const model = started();
  const { text, doc } = model;
  model.preview({ ...doc, boxes: [] });
  model.cancel();
  assert.equal(model.doc, doc);
  model.commit();
  assert.equal(model.text, text);
  assert.equal(model.history.past.length, 1);
});

test('a text that cannot be read stays, whatever is tried', () => {
  const model = started();
  model.load('{"choreo":"boxes","version":9}');
  model.edit({ ...model.doc, boxes: [box('b1')] });
  assert.equal(model.text, '{"choreo":"boxes","version":9}');
  assert.match(model.error, /version 9/);
  model.reset();
  assert.equal(model.error, '');
});

test('a drawing of more than a megabyte is refused and the former one stays', () => {
  const model = started();
  const { text } = model;
  /** @type {string[]} */ const told = [];
  model.listeners.add((what) => told.push(what));
  model.edit({ ...model.doc, x_padding: 'x'.repeat(1_000_001) });
  assert.equal(model.text, text);
  assert.ok(told.includes('refused'));
  assert.equal(model.history.past.length, 1);
});

test('removing the last entry of an object removes the object; pasting brings it back', () => {
  const model = started();
  const { doc } = model;
  const empty = removed(doc, new Set(['b1']));
  assert.deepEqual(empty.objects, []);
  const [again, ids] = pasted(empty, doc.boxes, doc.objects, (entry) => entry);
  assert.deepEqual([again.objects, ids], [doc.objects, ['b1']]);
  const [twice, more] = pasted(doc, doc.boxes, doc.objects, (entry) => entry);
  assert.deepEqual([twice.boxes.length, more], [2, ['b2']]);
  assert.notEqual(twice.boxes[0].k, twice.boxes[1].k);
  assert.equal(freshId(twice.boxes, 'b'), 'b3');
});

test('the viewport zooms about a point and survives a size of zero', () => {
  const view = new Viewport();
  assert.ok(view.toCanvas([0, 0]).every(Number.isFinite));
  Object.assign(view, { width: 400, height: 300, canvas: { w: 640, h: 360 } });
  const before = view.toCanvas([100, 120]);
  view.zoomAt([100, 120], 3);
  view.toCanvas([100, 120]).forEach((v, i) => assert.ok(Math.abs(v - before[i]) < 1e-9));
  const [x, y] = view.toCanvas(view.toView([0.3, 0.7]));
  assert.ok(Math.abs(x - 0.3) + Math.abs(y - 0.7) < 1e-9);
});

test('pictures are found for frames, and few are kept', () => {
  assert.deepEqual(
    [0, 6, 13].map((f) => pictureAt(f, 13, 48)),
    [0, 22, 47],
  );
  assert.equal(pictureAt(5, 0, 48), 0);
  const recent = new Recent(4 * 100 * 100 * 3);
  for (const i of [0, 1, 2, 3, 4]) recent.set(i, { width: 100, height: 100 });
  assert.deepEqual([...recent.items.keys()], [2, 3, 4]);
});

test('both languages have the same texts', () => {
  assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
});

test('others see a drawing at a frame with nothing selected, and it stays as it is', () => {
  const model = started();
  model.select(['b1']);
  model.seek(5);
  const { selection, doc } = model;
  /** @type {any[]} */ const told = [];
  model.listeners.add((what) => told.push(what));
  const look = () => model.seen(9, () => told.push([model.frame, model.selection.size, model.doc]));
  look();
  assert.throws(() =>
    model.seen(3, () => {
      throw new Error('a painter failed');
    }),
  );
  assert.deepEqual(told, [[9, 0, doc]]);
  assert.deepEqual([model.frame, model.selection], [5, selection]);
});

test('frames of two timelines belong together by their share of the whole', () => {
  const [long, short] = [started(), new Model('mask', () => ({ ...SIZE, frames: 5 }))];
  long.seek(13);
  assert.equal(short.frameOf(long), 4);
  long.seek(6);
  assert.equal(short.frameOf(long), 2);
  const still = new Model('mask', () => ({ ...SIZE, frames: 1 }));
  assert.deepEqual([still.frameOf(long), long.frameOf(still)], [0, 0]);
});

test('an edit that could not be read again is refused with the sentence, and the former one stays', () => {
  const model = new Model('points', () => SIZE);
  model.load('');
  const crowd = (/** @type {number} */ n) =>
    Array.from({ length: n }, (_, i) => ({ id: `p${i}`, k: [[0, 0.5, 0.5, 1]] }));
  model.edit({ ...model.doc, points: crowd(4096) });
  const { text, doc } = model;
  /** @type {string[]} */ const told = [];
  model.listeners.add((what) => told.push(what));
  model.edit({ ...doc, points: crowd(4097) });
  assert.deepEqual([model.text, model.doc, model.history.past.length], [text, doc, 1]);
  assert.ok(told.includes('refused') && !told.includes('edit'));
  assert.match(model.refusal ?? '', /4097 entries; at most 4096/);
  model.edit({ ...doc, points: crowd(3) });
  assert.equal(model.refusal, undefined);
  assert.equal(model.history.past.length, 2);
});
