// Strokes and mask in one place: editors over one picture see each other, and full screen goes between them.

import assert from 'node:assert/strict';
import { inBothModes } from './page.mjs';

const SIZE = [128, 128];
const scene = { id: 1, type: 'ChoreoPocketScene', values: ['red', 'disc', 40, 80, 14, 1, 'fixed'] };
const strokes = { id: 2, type: 'ChoreoStrokeTrajectory', values: [...SIZE, 16, ''], pos: [340, 0] };
const mask = { id: 3, type: 'ChoreoMotionBrush', values: [...SIZE, 'joined', ''], pos: [820, 0] };
const points = { id: 4, type: 'ChoreoPointPicker', values: [...SIZE, 16, ''], pos: [1300, 0] };
const image = (/** @type {number} */ to, from = 1) => [from, 0, to, 'image', 'IMAGE'];
const inStrokes = { id: 2, name: 'strokes' };
const inMask = { id: 3, name: 'mask' };

/** What an editor knows of its siblings, and how strong their drawings show at a place.
 * @param {import('./page.mjs').ComfyPage} page @param {any} of @param {[number, number]} at */
const look = (page, { id, name }, at = [0.5, 0.5]) =>
  page.run(
    ([id, name, at]) => {
      const node = /** @type {any} */ (window).app.graph.getNodeById(id);
      const editor = node.widgets.find((/** @type {any} */ w) => w.name === name).choreo;
      const { stage, model, full, siblings } = editor;
      const alpha = [...stage.root.querySelectorAll('.choreo-others')].map((canvas) => {
        const ratio = canvas.width / stage.root.clientWidth;
        const [x, y] = stage.view.toView(at).map((/** @type {number} */ v) => Math.round(v * ratio) - 3);
        return Math.max(
          ...canvas
            .getContext('2d')
            .getImageData(x, y, 7, 7)
            .data.filter((/** @type {any} */ _, /** @type {number} */ i) => i % 4 === 3),
        );
      });
      const choices = [...editor.bar.root.querySelectorAll('.choreo-drawings input')];
      return {
        siblings: siblings.others.map((/** @type {any} */ one) => Number(one.host.node.id)),
        ghost: alpha.map((a) => a > 60),
        names: choices.map((input) => input.getAttribute('aria-label')),
        chosen: choices.findIndex((input) => input.checked),
        shown: choices.some((input) => input.getClientRects().length > 0),
        view: [stage.view.zoom, ...stage.view.centre],
        frame: model.frame,
        steps: model.history.past.length,
        full,
      };
    },
    [id, name, at],
  );

/** Steps that ComfyUI can undo. @param {import('./page.mjs').ComfyPage} page */
const hostSteps = (page) =>
  page.run(
    () =>
      /** @type {any} */ (window).app.extensionManager.workflow.activeWorkflow.changeTracker.undoQueue.length,
  );

inBothModes((test) => {
  test('strokes and mask are drawn in one full screen, each in its own node', async (page) => {
    await page.open([scene, strokes, mask], [image(2), image(3)], 0.7);
    await page.drag(
      [
        [0.2, 0.5],
        [0.5, 0.5],
        [0.8, 0.5],
      ],
      inStrokes,
    );
    const drawn = await page.editor(2, 'strokes');
    const inline = await look(page, inMask, [0.5, 0.5]);
    assert.deepEqual(inline.siblings, [2]);
    assert.equal(inline.ghost[0], true, 'the way shows in the mask editor');
    assert.equal(inline.shown, false);

    await page.press('Enter', 'Home', '.', '.', '.', '.', '.');
    const [x, y] = await page.at(0.5, 0.5, 2, 'strokes');
    await page.page.mouse.move(x, y);
    await page.page.mouse.wheel(0, -150);
    await page.settle();
    const here = await look(page, inStrokes);
    assert.deepEqual(here.names, ['Stroke Trajectory', 'Motion Brush']);
    assert.deepEqual([here.full, here.shown, here.chosen, here.frame], [true, true, 0, 5]);
    assert.ok(here.view[0] > 1.2);

    const before = await hostSteps(page);
    await page.press('s');
    const there = await look(page, inMask);
    assert.deepEqual([there.full, there.chosen, there.frame], [true, 1, 4]); // 5 of 0–15 is 4 of 0–13
    assert.deepEqual(there.view, here.view);
    assert.equal(await page.run(() => document.querySelectorAll('dialog[open]').length), 1);
    assert.equal((await look(page, inStrokes)).full, false);
    assert.match((await page.editor(3, 'mask')).said, /Motion Brush, frame 4/);
    assert.equal(there.ghost[0], true);

    for (const h of [0.5, 0.6])
      await page.drag(
        [
          [0.4, h],
          [0.6, h],
        ],
        inMask,
      );
    await page.shot('strokes under the mask', { animations: 'disabled' });
    assert.equal((await hostSteps(page)) - before, 2);
    assert.deepEqual([(await look(page, inMask)).steps, (await look(page, inStrokes)).steps], [2, 1]);
    assert.equal((await page.editor(2, 'strokes')).text, drawn.text);
    await page.press('Control+z');
    assert.equal((await page.value(3, 'mask')).layers[0].ops.length, 1);
    assert.equal((await page.editor(2, 'strokes')).text, drawn.text);

    await page.page.click('dialog[open] .choreo-drawings input[value="0"]', { force: true });
    await page.settle();
    const back = await look(page, inStrokes, [0.5, 0.5]);
    assert.deepEqual([back.full, back.chosen, back.frame, back.view], [true, 0, 5, here.view]);
    assert.deepEqual(back.ghost, [false, true]); // the mask is of every frame
    await page.shot('mask under the strokes');
    await page.press('Control+z');
    assert.equal((await page.value(2, 'strokes')).strokes.length, 0);
    assert.equal((await page.value(3, 'mask')).layers[0].ops.length, 1);
    await page.press('Control+Shift+z', '?');
    assert.match(
      (await page.run(() => document.querySelector('dialog .choreo-sheet')?.textContent)) ?? '',
      /SFull screen: the next drawing/,
    );
    await page.press('Escape', 'Escape', 'Escape');
    assert.equal((await look(page, inStrokes)).full, false);
    assert.equal(
      await page.run(() => document.querySelectorAll('.choreo-holder > .choreo-editor').length),
      2,
    );
    const { output } = await page.run(() => /** @type {any} */ (window).app.graphToPrompt());
    assert.equal(JSON.parse(output['2'].inputs.strokes).strokes.length, 1);
    assert.equal(JSON.parse(output['3'].inputs.mask).layers[0].ops.length, 1);
  });

  test('siblings are those over the same picture, as links and nodes come and go', async (page) => {
    const other = { ...scene, id: 5, pos: [0, 400] };
    const scale = { id: 6, type: 'ImageScale', values: ['bilinear', 320, 180, 'disabled'], pos: [0, 700] };
    await page.open(
      [scene, strokes, mask, points, other, scale],
      [image(2), image(3, 6), image(4, 5), [1, 0, 6, 'image', 'IMAGE']],
      0.5,
    );
    const siblings = async () =>
      Promise.all(
        [inStrokes, inMask, { id: 4, name: 'points' }].map(async (of) => (await look(page, of)).siblings),
      );
    const link = (/** @type {number} */ from, /** @type {number} */ to) =>
      page.run(
        ([from, to]) => {
          const { graph } = /** @type {any} */ (window).app;
          if (from) graph.getNodeById(from).connect(0, graph.getNodeById(to), 'image');
          else graph.remove(graph.getNodeById(to));
        },
        [from, to],
      );
    assert.deepEqual(await siblings(), [[3], [2], []]); // a resizing node in between is fine
    await link(1, 4);
    await page.settle();
    assert.deepEqual(await siblings(), [
      [3, 4],
      [2, 4],
      [2, 3],
    ]);
    await page.click(0.1, 0.1, { id: 4, name: 'points' });
    await page.press('Enter', 's');
    assert.equal((await look(page, inStrokes)).full, true); // around, in the order of the nodes
    await page.press('s', 's');
    assert.equal((await look(page, { id: 4, name: 'points' })).full, true);
    await page.press('Escape', 'Escape');
    await link(5, 3);
    await page.settle();
    assert.deepEqual(await siblings(), [[4], [], [2]]);
    await link(0, 4);
    await page.settle();
    assert.deepEqual((await look(page, inStrokes)).siblings, []);
    assert.deepEqual((await look(page, inStrokes, [0.1, 0.1])).ghost, [false, false]);
  });
});
