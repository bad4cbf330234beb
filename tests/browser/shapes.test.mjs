// A picture of another shape than the drawing's canvas: outlined, asked about, and nothing moves by itself.

import assert from 'node:assert/strict';
import { inBothModes } from './page.mjs';

const DRAWN = {
  choreo: 'boxes',
  version: 1,
  space: { w: 640, h: 360, frames: 14, fps: 8 },
  source: { kind: 'none' },
  objects: [{ id: 'o1', name: 'disc', color: '#e6194b' }],
  boxes: [{ id: 'b1', o: 'o1', k: [{ f: 0, x: 0.3, y: 0.5, w: 0.2, h: 0.3 }] }],
};
const scene = {
  id: 2,
  type: 'ChoreoPocketScene',
  values: ['red', 'disc', 40, 80, 14, 1, 'fixed'],
  pos: [520, 0],
};
const boxes = (/** @type {any[]} */ size = [640, 360, 14]) => ({
  id: 1,
  type: 'ChoreoBoxTrajectory',
  values: [...size, JSON.stringify(DRAWN)],
});
const link = [2, 0, 1, 'image', 'IMAGE'];
const PRINT = { id: 9, type: 'PreviewAny', values: [], pos: [900, 0], size: [220, 200] };
const PRINTED = [1, 2, 9, 'source', '*'];

/** What the editor asks, says and outlines. @param {import('./page.mjs').ComfyPage} page */
const look = (page) =>
  page.run(() => {
    const { widgets } = /** @type {any} */ (window).app.graph.getNodeById(1);
    const { notices, stage, model } = widgets.find((/** @type {any} */ w) => w.choreo).choreo;
    const { question, line } = notices;
    return {
      asks: question.hidden ? '' : question.textContent,
      answers: question.hidden ? 0 : question.querySelectorAll('input').length,
      said: line.hidden ? '' : line.textContent,
      outlines: stage.outlines.map((/** @type {any} */ s) => `${s.w} ${s.h}`),
      canvas: [stage.view.canvas.w, stage.view.canvas.h],
      steps: model.history.past.length,
    };
  });
const picture = () => {
  const { widgets } = /** @type {any} */ (window).app.graph.getNodeById(1);
  return widgets.find((/** @type {any} */ w) => w.choreo)?.choreo.stage.picture;
};
/** @param {import('./page.mjs').ComfyPage} page @param {number} n */
async function answer(page, n) {
  await page.page.click(`.choreo-notice input:nth-of-type(${n})`);
  await page.settle();
}

inBothModes((test) => {
  test('a linked picture of another shape is asked about; to keep is one step and not asked again', async (page) => {
    await page.open([boxes(), scene, PRINT], [link, PRINTED]);
    await page.until(picture);
    await page.settle();
    const asked = await look(page);
    assert.match(asked.asks, /640 × 360.*128 × 128/);
    assert.deepEqual([asked.answers, asked.outlines, asked.steps], [2, ['128 128'], 0]);
    assert.deepEqual(await page.value(), DRAWN);
    await page.shot('another shape is asked');

    await answer(page, 1);
    const kept = await page.value();
    assert.deepEqual(kept, { ...DRAWN, source: { kind: 'upstream', w: 128, h: 128 } });
    const after = await look(page);
    assert.deepEqual([after.asks, after.steps, after.outlines], ['', 1, ['128 128']]);
    assert.match(after.said, /128 × 128; it is shown stretched to 640 × 360/);
    await page.press('Control+z');
    assert.equal((await look(page)).answers, 2);
    await page.press('Control+Shift+z');

    const graph = await page.run(() => /** @type {any} */ (window).app.graph.serialize());
    await page.goto();
    await page.load(graph);
    await page.until(picture);
    await page.settle();
    assert.equal((await look(page)).asks, '');
    const run = await page.queue();
    assert.equal(run.status.status_str, 'success');
  });

  test('to stretch to the picture leaves every number as it is', async (page) => {
    await page.open([boxes(), scene], [link]);
    await page.until(picture);
    await page.settle();
    await answer(page, 2);
    assert.deepEqual(await page.value(), { ...DRAWN, space: { ...DRAWN.space, w: 128, h: 128 } });
    const after = await look(page);
    assert.deepEqual([after.asks, after.canvas, after.steps], ['', [128, 128], 1]);
    assert.match(after.said, /Drawn for 128 × 128; the node makes 640 × 360/);
    await page.page.keyboard.press('Control+z');
    await page.settle();
    assert.deepEqual([(await look(page)).canvas, await page.value()], [[640, 360], DRAWN]);
  });

  test('a node that crops on the way is warned of until a run shows what arrives', async (page) => {
    const square = { ...DRAWN, space: { ...DRAWN.space, w: 128, h: 128 } };
    const crop = { id: 3, type: 'ImageCrop', values: [64, 64, 8, 48], pos: [520, 300] };
    await page.open(
      [{ ...boxes(), values: [128, 128, 14, JSON.stringify(square)] }, scene, crop, PRINT],
      [[2, 0, 3, 'image', 'IMAGE'], [3, 0, 1, 'image', 'IMAGE'], PRINTED],
    );
    await page.until(picture);
    await page.settle();
    const warned = await look(page);
    assert.match(warned.said, /crops: the picture shows more than what arrives/);
    assert.equal(warned.asks, '');
    await page.shot('crop warning');
    assert.equal((await page.queue()).status.status_str, 'success');
    await page.until(() => {
      const { widgets } = /** @type {any} */ (window).app.graph.getNodeById(1);
      return widgets.find((/** @type {any} */ w) => w.choreo).choreo.frames.source?.kind === 'run';
    });
    await page.settle();
    assert.doesNotMatch((await look(page)).said, /crops/);
  });
});
