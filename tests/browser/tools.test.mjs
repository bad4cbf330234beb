// Points, strokes and masks drawn by hand: what the node makes is what was drawn.

import assert from 'node:assert/strict';
import { inBothModes } from './page.mjs';

const near = (/** @type {number} */ a, /** @type {number} */ b, by = 0.006) =>
  assert.ok(Math.abs(a - b) <= by, `${a} is not ${b}`);
const PRINT = { id: 2, type: 'PreviewAny', values: [], pos: [520, 0], size: [220, 200] };

inBothModes((test) => {
  test('points: click, correct, hide, select, queue', async (page) => {
    const on = { name: 'points' };
    await page.open(
      [{ id: 1, type: 'ChoreoPointPicker', values: [640, 360, 16, ''] }, PRINT],
      [[1, 1, 2, 'source', '*']],
    );
    await page.click(0.2, 0.3, on);
    await page.click(0.6, 0.5, on);
    await page.press('End');
    await page.drag(
      [
        [0.2, 0.3],
        [0.4, 0.7],
      ],
      on,
    );
    await page.click(0.6, 0.5, { ...on, keys: ['Alt'] });
    const doc = await page.value(1, 'points');
    assert.equal(doc.points.length, 2);
    const [first, second] = doc.points;
    assert.deepEqual(
      first.k.map((/** @type {any} */ k) => k[0]),
      [0, 15],
    );
    near(first.k[1][1], 0.4);
    near(first.k[1][2], 0.7);
    assert.deepEqual([second.k[1][0], second.k[1][3]], [15, 0]);
    await page.shot('points drawn');

    await page.press('Escape');
    await page.page.check('.choreo-modes input[value=negative]', { force: true });
    await page.click(0.8, 0.2, on);
    assert.equal((await page.value(1, 'points')).points[2].neg, 1);
    const run = await page.queue();
    assert.equal(run.status.status_str, 'success');
    const list = JSON.parse(run.outputs['2'].text[0]);
    assert.deepEqual(
      list.map((/** @type {any} */ p) => p.negative),
      [false, false, true],
    );
    near(list[0].keys[0].x, 128, 4);
    near(list[0].keys[1].y, 0.7 * 360, 3);
  });

  test('strokes: free-hand, by points, pinned, queue', async (page) => {
    const on = { name: 'strokes' };
    await page.open(
      [{ id: 1, type: 'ChoreoStrokeTrajectory', values: [640, 360, 16, ''] }, PRINT],
      [[1, 1, 2, 'source', '*']],
    );
    await page.drag(
      [
        [0.1, 0.2],
        [0.3, 0.5],
        [0.6, 0.3],
      ],
      on,
    );
    let doc = await page.value(1, 'strokes');
    assert.equal(doc.strokes.length, 1);
    assert.ok(doc.strokes[0].k.length >= 3);
    near(doc.strokes[0].k.at(-1).x, 0.6);
    await page.page.check('.choreo-modes input[value=path]', { force: true });
    await page.press('Escape');
    for (const [x, y] of [
      [0.2, 0.8],
      [0.5, 0.9],
      [0.8, 0.7],
    ])
      await page.click(x, y, on);
    await page.press('Enter');
    await page.page.check('.choreo-modes input[value=pin]', { force: true });
    await page.click(0.9, 0.1, on);
    doc = await page.value(1, 'strokes');
    assert.deepEqual(
      doc.strokes.slice(1).map((/** @type {any} */ s) => s.k.length),
      [3, 1],
    );
    assert.equal(doc.strokes[2].role, 'static');
    await page.shot('strokes drawn');
    const run = await page.queue();
    const lists = JSON.parse(run.outputs['2'].text[0]);
    assert.deepEqual(
      lists.map((/** @type {any} */ l) => l.length),
      [16, 16, 16],
    );
    near(lists[0][0].x, 64, 4);
    near(lists[1][15].x, 0.8 * 640, 4);
    near(lists[2][7].y, 36, 3);
    await page.press('Control+z', 'Control+z');
    assert.equal((await page.value(1, 'strokes')).strokes[1].k.length, 2);
  });

  test('mask: brush, erase, rectangle, polygon, layers, queue', async (page) => {
    const on = { name: 'mask' };
    await page.open(
      [
        { id: 1, type: 'ChoreoMotionBrush', values: [640, 360, 'joined', ''] },
        { id: 2, type: 'MaskToImage', values: [], pos: [520, 0] },
        { id: 3, type: 'PreviewImage', values: [], pos: [520, 100] },
      ],
      [
        [1, 0, 2, 'mask', 'MASK'],
        [2, 0, 3, 'images', 'IMAGE'],
      ],
    );
    await page.drag(
      [
        [0.2, 0.5],
        [0.5, 0.5],
      ],
      on,
    );
    await page.drag(
      [
        [0.35, 0.4],
        [0.35, 0.6],
      ],
      { ...on, keys: ['Alt'] },
    );
    await page.press('r');
    await page.drag(
      [
        [0.7, 0.2],
        [0.9, 0.4],
      ],
      on,
    );
    await page.press('n', 'g');
    for (const [x, y] of [
      [0.6, 0.6],
      [0.9, 0.6],
      [0.75, 0.9],
    ])
      await page.click(x, y, on);
    await page.press('Enter');
    const doc = await page.value(1, 'mask');
    assert.deepEqual(
      doc.layers.map((/** @type {any} */ l) => l.ops.map((/** @type {any} */ op) => `${op.t} ${op.m}`)),
      [['stroke add', 'stroke sub', 'rect add'], ['poly add']],
    );
    await page.shot('mask drawn');
    const run = await page.queue();
    const [file] = run.outputs['3'].images;
    const bright = await page.run(
      async ([file, points]) => {
        const image = new Image();
        image.src = `/view?${new URLSearchParams(file)}`;
        await image.decode();
        const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
        const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
        context.drawImage(image, 0, 0);
        return points.map(
          (/** @type {number[]} */ [x, y]) => context.getImageData(x * 640, y * 360, 1, 1).data[0] > 127,
        );
      },
      [
        file,
        [
          [0.25, 0.5],
          [0.35, 0.5],
          [0.45, 0.5],
          [0.8, 0.3],
          [0.75, 0.7],
          [0.05, 0.05],
          [0.65, 0.85],
        ],
      ],
    );
    assert.deepEqual(bright, [true, false, true, true, true, false, false]);
  });

  test('full screen by keyboard: list, fields, sheet, and back', async (page) => {
    await page.open([{ id: 1, type: 'ChoreoBoxTrajectory', values: [640, 360, 14, ''] }]);
    await page.drag([
      [0.1, 0.2],
      [0.3, 0.6],
    ]);
    await page.drag([
      [0.5, 0.2],
      [0.7, 0.6],
    ]);
    await page.press('Enter');
    assert.equal((await page.editor()).full, true);
    assert.equal(await page.run(() => Boolean(document.querySelector('dialog[open] .choreo-editor'))), true);
    await page.drag([
      [0.75, 0.7],
      [0.9, 0.9],
    ]);
    assert.equal((await page.value()).boxes.length, 3);
    await page.press('Escape');
    await page.page.focus('.choreo-picker');
    await page.press('ArrowDown');
    const options = await page.run(() =>
      [...document.querySelectorAll('.choreo-list [role=option]')].map((o) =>
        o.getAttribute('aria-selected'),
      ),
    );
    assert.equal(options.filter((/** @type {string} */ selected) => selected === 'true').length, 1);
    await page.press('F2');
    await page.page.keyboard.press('Control+a');
    await page.page.keyboard.type('dog & <b>cat</b>');
    await page.press('Enter');
    assert.ok((await page.value()).objects.some((/** @type {any} */ o) => o.name === 'dog & <b>cat</b>'));
    await page.press('End', 'ArrowRight');
    await page.press('e');
    await page.shot('full screen');
    await page.press('?');
    await page.shot('sheet');
    await page.press('?', 'Escape', 'Escape');
    assert.equal((await page.editor()).full, false);
    assert.ok(await page.run(() => Boolean(document.querySelector('.choreo-holder .choreo-editor'))));
    await page.press('Space');
    await page.page.waitForTimeout(600);
    await page.press('Space');
    const { frame } = await page.editor();
    assert.ok(Number.isInteger(frame));
  });
});
