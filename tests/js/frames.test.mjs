// Which picture is shown when requests and sources overtake each other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Frames } from '../../js/core/frames.mjs';

/** A source whose frames come when they are let go. @param {string} name */
function slow(name) {
  /** @type {(() => void)[]} */ const waiting = [];
  const closed = /** @type {string[]} */ ([]);
  const frame = (/** @type {number} */ i) =>
    new Promise((done) => {
      const picture = { name: `${name} ${i}`, width: 8, height: 8, close: () => closed.push(`${name} ${i}`) };
      waiting.push(() => done(picture));
    });
  const source = /** @type {any} */ ({ kind: 'server', count: 9, frame, close() {} });
  const come = async () => {
    waiting.shift()?.();
    await new Promise((next) => setTimeout(next));
  };
  return { source, come, closed };
}

test('a frame that comes after its source was changed is not taken for one of the new source', async () => {
  const shown = /** @type {string[]} */ ([]);
  const frames = new Frames((picture) => shown.push(/** @type {any} */ (picture)?.name), assert.fail);
  const [old, other] = [slow('old'), slow('new')];
  frames.use(old.source);
  frames.want(3);
  frames.use(other.source);
  frames.want(3);
  await old.come();
  assert.deepEqual([shown, old.closed], [[], ['old 3']]);
  await other.come();
  assert.deepEqual(shown, ['new 3']);
});

test('of several requests the newest is shown', async () => {
  const shown = /** @type {string[]} */ ([]);
  const frames = new Frames((picture) => shown.push(/** @type {any} */ (picture)?.name), assert.fail);
  const one = slow('a');
  frames.use(one.source);
  for (const i of [1, 2, 5]) frames.want(i);
  await one.come();
  await one.come();
  assert.deepEqual(shown, ['a 5']);
});
