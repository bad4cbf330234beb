// The examples with editors: the page queues what its twin says, and shows pictures before the first run.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { inBothModes } from './page.mjs';

const read = (/** @type {string} */ path) =>
  JSON.parse(readFileSync(new URL(`../../workflows/${path}.json`, import.meta.url), 'utf-8'));

const EXAMPLES = [
  { title: 'Draw a box and go', twin: 'draw-a-box', id: 4, kind: 'image', shape: [128, 128] },
  { title: 'Points on a reference video', twin: 'points-on-video', id: 2, kind: 'server', shape: [512, 288] },
  {
    title: 'MotionPro pocket (runs anywhere)',
    twin: 'motionpro-pocket',
    id: 4,
    kind: 'image',
    shape: [128, 128],
  },
  { title: 'Wan pocket (runs anywhere)', twin: 'sg-i2v-wan-pocket', id: 6, kind: 'image', shape: [128, 128] },
  { title: 'Strokes and mask', twin: 'strokes-and-mask', id: 2, kind: 'image', shape: [128, 128] },
];

/** What an editor shows: where it is from, its size, and the colour of a pixel.
 * @param {import('./page.mjs').ComfyPage} page @param {number} id
 * @param {[number, number]} at in pixels of the picture */
const shown = (page, id, at) =>
  page.run(
    ([id, [x, y]]) => {
      const node = /** @type {any} */ (window).app.graph.getNodeById(id);
      const { stage, frames } = node.widgets.find((/** @type {any} */ w) => w.choreo).choreo;
      if (!stage.picture || !frames.source) return null;
      const { w, h, kind } = frames.source;
      const context = /** @type {CanvasRenderingContext2D} */ (
        Object.assign(document.createElement('canvas'), { width: w, height: h }).getContext('2d')
      );
      context.drawImage(stage.picture, 0, 0, w, h);
      return { kind, w, h, pixel: [...context.getImageData(x, y, 1, 1).data] };
    },
    [id, at],
  );

/** Wait for what an editor shows. @param {import('./page.mjs').ComfyPage} page @param {number} id
 * @param {[number, number]} at @param {(shown: any) => boolean} good */
async function waitFor(page, id, at, good) {
  for (let n = 0; n < 200; n++) {
    const now = await shown(page, id, at);
    if (now && good(now)) return now;
    await page.page.waitForTimeout(100);
  }
  return assert.fail(`not shown: ${JSON.stringify(await shown(page, id, at))}`);
}

inBothModes((test) => {
  for (const { title, twin, id, kind, shape } of EXAMPLES) {
    test(`${title}: the twin's prompt, and a picture before the first run`, async (page) => {
      await page.load(read(title), 0.8);
      const { output } = await page.run(() => /** @type {any} */ (window).app.graphToPrompt());
      const wanted = read(`api/${twin}`);
      for (const [key, { class_type, inputs }] of Object.entries(wanted)) {
        assert.equal(output[key].class_type, class_type);
        for (const [name, value] of Object.entries(inputs))
          assert.deepEqual(output[key].inputs[name], value, `${key} ${class_type} ${name}`);
      }
      const now = await waitFor(page, id, [1, 1], () => true);
      assert.deepEqual([now.kind, now.w, now.h], [kind, ...shape]);
      await page.shot(`example ${title}`);
    });
  }

  test('Pocket Scene: another place is seen at once', async (page) => {
    await page.load(read('Draw a box and go'));
    const red = (/** @type {any} */ s) => s.pixel[0] > 180 && s.pixel[1] < 90;
    await waitFor(page, 4, [36, 84], red);
    await page.run(() => {
      const scene = /** @type {any} */ (window).app.graph.getNodeById(2);
      const widget = scene.widgets.find((/** @type {any} */ w) => w.name === 'x');
      widget.value = 90;
      widget.callback?.(90);
    });
    await waitFor(page, 4, [90, 84], red);
    assert.ok(!red(await shown(page, 4, [36, 84])));
  });
});
