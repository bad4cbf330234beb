// Undo while ComfyUI runs on every change: one change a step, one run a change, and then rest.

import assert from 'node:assert/strict';
import { get, inBothModes } from './page.mjs';

const BOX = { id: 1, type: 'ChoreoBoxTrajectory', values: [640, 360, 14, ''] };
const PRINT = { id: 2, type: 'PreviewAny', values: [], pos: [520, 0], size: [220, 200] };
const LINKED = [1, 2, 2, 'source', '*'];
const REST = 1500; // ms without a further run that count as rest

/** The number of runs since `known`, once there are at least `least` and the queue rests.
 * @param {Set<string>} known @param {number} least */
async function runs(known, least) {
  for (let rests = 0, before = -1; ; await new Promise((done) => setTimeout(done, 100))) {
    const count = Object.keys(await get('/api/history')).filter((id) => !known.has(id)).length;
    const queue = await get('/api/queue');
    const idle = !queue.queue_running.length && !queue.queue_pending.length;
    rests = idle && count === before && count >= least ? rests + 100 : 0;
    before = count;
    if (rests >= REST || count > least + 5) return count;
  }
}

/** @param {import('./page.mjs').ComfyPage} page @param {'menu' | 'legacy'} how @param {boolean} on */
const runOnChange = (page, how, on) =>
  page.run(
    ([how, on]) => {
      const { app } = /** @type {any} */ (window);
      if (how === 'menu') app.extensionManager.queueSettings.mode = on ? 'change' : 'disabled';
      else Object.assign(app.ui, { autoQueueEnabled: on, autoQueueMode: on ? 'change' : 'instant' });
    },
    [how, on],
  );
const boxes = async (/** @type {import('./page.mjs').ComfyPage} */ page) => (await page.value()).boxes.length;

inBothModes((test) => {
  for (const how of /** @type {const} */ (['menu', 'legacy']))
    test(`run on change (${how}): an undo in the editor is one change and one run`, async (page) => {
      await page.open([BOX, PRINT], [LINKED]);
      const known = new Set(Object.keys(await get('/api/history')));
      await runOnChange(page, how, true);
      try {
        await page.drag([
          [0.1, 0.1],
          [0.3, 0.4],
        ]);
        assert.equal(await runs(known, 1), 1);
        await page.drag([
          [0.5, 0.1],
          [0.8, 0.4],
        ]);
        assert.equal(await boxes(page), 2);
        assert.equal(await runs(known, 2), 2);

        await page.press('Control+z');
        assert.equal(await runs(known, 3), 3);
        assert.equal(await boxes(page), 1);
        if (how === 'menu') await page.press('Control+Shift+z');
        else await page.press('Control+y'); // the focus went with the former graph: ComfyUI's own redo
        assert.equal(await runs(known, 4), 4);
        assert.equal(await boxes(page), 2);
      } finally {
        await runOnChange(page, how, false);
      }
    });
});
