// Copying between nodes, subgraphs, touch: what every editor must stand.

import assert from 'node:assert/strict';
import { inBothModes } from './page.mjs';

const node = (/** @type {number} */ id, pos = [0, 0]) => ({
  id,
  type: 'ChoreoBoxTrajectory',
  values: [640, 360, 14, ''],
  pos,
});

inBothModes(
  (test) => {
    test('objects are copied from node to node, and duplicated', async (page) => {
      await page.open([node(1), node(2, [520, 0])]);
      await page.drag([
        [0.1, 0.2],
        [0.3, 0.6],
      ]);
      await page.press('Control+c');
      await page.click(0.5, 0.5, { id: 2 });
      await page.press('Control+v');
      const [first, second] = [await page.value(1), await page.value(2)];
      assert.equal(second.boxes.length, 1);
      assert.deepEqual(second.objects, first.objects);
      assert.ok(Math.abs(second.boxes[0].k[0].x - first.boxes[0].k[0].x - 0.02) < 1e-3);
      await page.press('Control+d');
      assert.equal((await page.value(2)).boxes.length, 2);
      assert.equal(await page.run(() => /** @type {any} */ (window).app.graph._nodes.length), 2);
    });

    test('in a subgraph the value reaches the prompt', async (page) => {
      await page.open([node(1), { id: 2, type: 'PreviewAny', values: [], pos: [520, 0] }]);
      await page.drag([
        [0.1, 0.2],
        [0.3, 0.6],
      ]);
      const { text } = await page.editor();
      await page.run(() => {
        const { graph } = /** @type {any} */ (window).app;
        graph.getNodeById(1).connect(2, graph.getNodeById(2), 'source');
        graph.convertToSubgraph(new Set([graph.getNodeById(1)]));
      });
      await page.settle();
      const prompt = await page.run(() => /** @type {any} */ (window).app.graphToPrompt());
      const made = Object.values(prompt.output).find(
        (/** @type {any} */ n) => n.class_type === 'ChoreoBoxTrajectory',
      );
      assert.equal(/** @type {any} */ (made).inputs.boxes, text);
    });

    test('a finger draws, two fingers zoom', async (page) => {
      await page.open([node(1)]);
      const session = await page.context.newCDPSession(page.page);
      const touch = async (/** @type {string} */ type, /** @type {[number, number][]} */ places) => {
        const touchPoints = [];
        for (const [n, [x, y]] of places.entries()) {
          const [px, py] = await page.at(x, y);
          touchPoints.push({ x: px, y: py, id: n });
        }
        await session.send('Input.dispatchTouchEvent', { type, touchPoints });
      };
      await touch('touchStart', [[0.2, 0.2]]);
      for (const at of [0.3, 0.4, 0.5]) await touch('touchMove', [[at, at + 0.1]]);
      await touch('touchEnd', []);
      await page.settle();
      assert.equal((await page.value()).boxes.length, 1);
      await touch('touchStart', [[0.4, 0.5]]);
      await touch('touchStart', [
        [0.4, 0.5],
        [0.6, 0.5],
      ]);
      for (const by of [0.05, 0.1, 0.15])
        await touch('touchMove', [
          [0.4 - by, 0.5],
          [0.6 + by, 0.5],
        ]);
      await touch('touchEnd', []);
      await page.settle();
      assert.ok((await page.editor()).zoom > 1.2, `zoom ${(await page.editor()).zoom}`);
      assert.equal((await page.value()).boxes.length, 1);
    });
  },
  { touch: true },
);
