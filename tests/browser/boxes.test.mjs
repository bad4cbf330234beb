// The box editor and what all editors share, driven with mouse and keyboard in the real ComfyUI.

import assert from 'node:assert/strict';
import { inBothModes } from './page.mjs';

const near = (/** @type {number} */ a, /** @type {number} */ b, by = 0.006) =>
  assert.ok(Math.abs(a - b) <= by, `${a} is not ${b}`);
const BOX = (text = '') => ({ id: 1, type: 'ChoreoBoxTrajectory', values: [640, 360, 14, text] });
const ONE = JSON.stringify({
  choreo: 'boxes',
  version: 1,
  space: { w: 640, h: 360, frames: 14, fps: 8 },
  source: { kind: 'none' },
  objects: [{ id: 'o1', name: 'cat', color: '#e6194b' }],
  boxes: [
    {
      id: 'b1',
      o: 'o1',
      role: 'object',
      size: 'fixed',
      path: 'smooth',
      timing: 'keys',
      k: [
        { f: 0, x: 0.3, y: 0.5, w: 0.2, h: 0.3, ease: 'linear' },
        { f: 7, x: 0.5, y: 0.3, ease: 'inout' },
        { f: 13, x: 0.75, y: 0.6, ease: 'linear' },
      ],
    },
  ],
});
const frames = (/** @type {any} */ doc, n = 0) => doc.boxes[n].k.map((/** @type {any} */ k) => k.f);

inBothModes((test) => {
  test('draw, move in time, undo, reload, queue', async (page) => {
    await page.open(
      [BOX(), { id: 2, type: 'PreviewAny', values: [], pos: [520, 0], size: [220, 200] }],
      [[1, 2, 2, 'source', '*']],
    );
    await page.drag([
      [0.1, 0.2],
      [0.3, 0.6],
    ]);
    let doc = await page.value();
    assert.equal(doc.boxes.length, 1);
    assert.deepEqual(doc.space, { w: 640, h: 360, frames: 14, fps: 8 });
    const [key] = doc.boxes[0].k;
    [
      ['x', 0.2],
      ['y', 0.4],
      ['w', 0.2],
      ['h', 0.4],
    ].forEach(([name, value]) => near(key[name], Number(value)));

    await page.press('End');
    await page.drag([
      [0.2, 0.4],
      [0.7, 0.5],
    ]);
    doc = await page.value();
    assert.deepEqual(frames(doc), [0, 13]);
    near(doc.boxes[0].k[1].x, 0.7);
    await page.shot('boxes drawn');

    await page.press('Control+z');
    assert.equal((await page.value()).boxes[0].k.length, 1);
    await page.press('Control+Shift+z');
    assert.deepEqual(await page.value(), doc);

    const graph = await page.run(() => /** @type {any} */ (window).app.graph.serialize());
    await page.goto();
    await page.load(graph);
    assert.deepEqual(await page.value(), doc);

    const run = await page.queue();
    assert.equal(run.status.status_str, 'success');
    const made = JSON.parse(run.outputs['2'].text[0].replaceAll("'", '"'));
    assert.equal(made.length, 14);
    const [first, last] = [made[0][0], made[13][0]];
    const at = doc.boxes[0].k;
    near(first.x, (at[0].x - at[0].w / 2) * 640, 1);
    near(last.x, (at[1].x - at[0].w / 2) * 640, 1);
    near(last.width, at[0].w * 640, 1);
  });

  test('three gestures are three steps of ComfyUI’s undo, and keys do not leak', async (page) => {
    await page.open([BOX()]);
    await page.drag([
      [0.1, 0.1],
      [0.3, 0.4],
    ]);
    await page.drag([
      [0.4, 0.1],
      [0.6, 0.4],
    ]);
    await page.drag([
      [0.7, 0.1],
      [0.9, 0.4],
    ]);
    assert.equal((await page.value()).boxes.length, 3);
    const sidebar = () => page.run(() => document.querySelectorAll('.side-bar-panel, .p-dialog').length);
    const before = await sidebar();
    for (const key of ['a', 'w', 'n', 'q', 'r', 'm', 'p', 'g', '.', ',']) await page.press(key);
    assert.equal(await sidebar(), before);
    assert.equal((await page.value()).boxes.length, 3);
    await page.leave();
    for (const left of [2, 1]) {
      await page.press('Control+z');
      await page.until((n) => {
        const text = /** @type {any} */ (window).app.graph
          .getNodeById(1)
          ?.widgets?.find((/** @type {any} */ w) => w.name === 'boxes').value;
        return text && JSON.parse(text).boxes.length === n;
      }, left);
    }
  });

  test('wheel and middle button: the graph’s without the focus', async (page) => {
    await page.open([BOX(ONE)]);
    await page.leave();
    const [x, y] = await page.at(0.9, 0.1);
    await page.page.mouse.move(x, y);
    const free = await page.graphView();
    await page.page.mouse.wheel(0, -120);
    await page.until((was) => /** @type {any} */ (window).app.canvas.ds.scale > was, free.scale);
    assert.equal((await page.editor()).zoom, 1);

    await page.open([BOX(ONE)]);
    await page.click(0.95, 0.05);
    const held = await page.graphView();
    await page.page.mouse.wheel(0, -240);
    await page.settle();
    assert.ok((await page.editor()).zoom > 1.3);
    assert.equal((await page.graphView()).scale, held.scale);
    await page.press('f');
    assert.equal((await page.editor()).zoom, 1);

    await page.drag(
      [
        [0.5, 0.9],
        [0.7, 0.95],
      ],
      { button: 'middle' },
    );
    const panned = await page.graphView();
    assert.ok(panned.x - held.x > 40, `the graph moved by ${panned.x - held.x}`);
    assert.equal((await page.value()).boxes.length, 1);
  });

  test('clicks are exact at other zooms of the graph', async (page) => {
    for (const scale of [0.6, 1.4]) {
      await page.open([BOX()], [], scale);
      await page.drag([
        [0.2, 0.3],
        [0.6, 0.7],
      ]);
      const [key] = (await page.value()).boxes[0].k;
      near(key.x, 0.4);
      near(key.w, 0.4, 0.01);
      near(key.h, 0.4, 0.015);
    }
  });

  test('the mode changes live: same value, still editable', async (page) => {
    await page.open([BOX(ONE)]);
    const before = await page.value();
    const other = page.mode !== 'vue';
    await page.run(
      (on) => /** @type {any} */ (window).app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on),
      other,
    );
    await page.page.waitForTimeout(700);
    await page.settle();
    assert.deepEqual(await page.value(), before);
    await page.drag([
      [0.05, 0.05],
      [0.15, 0.2],
    ]);
    assert.equal((await page.value()).boxes.length, 2);
    await page.run(
      (on) => /** @type {any} */ (window).app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on),
      !other,
    );
    await page.page.waitForTimeout(700);
    assert.equal((await page.value()).boxes.length, 2);
  });

  test('a linked text wins and leaves the editor to look at', async (page) => {
    await page.open(
      [BOX(ONE), { id: 2, type: 'PrimitiveStringMultiline', values: [ONE], pos: [520, 0], size: [220, 200] }],
      [],
    );
    await page.run(() => {
      const { graph } = /** @type {any} */ (window).app;
      graph.getNodeById(2).connect(0, graph.getNodeById(1), 'boxes');
    });
    await page.until(
      () =>
        /** @type {any} */ (window).app.graph
          .getNodeById(1)
          .widgets.find((/** @type {any} */ w) => w.name === 'boxes').choreo.model.readOnly,
    );
    const before = await page.value();
    if (page.mode === 'vue')
      await page.drag([
        [0.05, 0.05],
        [0.2, 0.2],
      ]); // Classic hides linked widgets
    assert.deepEqual(await page.value(), before);
    const prompt = await page.run(() => /** @type {any} */ (window).app.graphToPrompt());
    assert.deepEqual(prompt.output['1'].inputs.boxes, ['2', 0]);
  });

  test('a text that cannot be read is kept, shown, and repaired', async (page) => {
    for (const bad of [
      '{"choreo": "boxes"',
      ONE.replace('"version":1', '"version":7'),
      `${' '.repeat(1_000_001)}`.replace(/^ /, 'x'),
    ]) {
      await page.open([BOX(bad)]);
      const { error, text } = await page.editor();
      assert.match(error, /not valid JSON|version 7|1000001 characters/);
      assert.equal(text, bad);
      await page.drag([
        [0.1, 0.1],
        [0.3, 0.3],
      ]);
      const kept = await page.run(
        () => /** @type {any} */ (window).app.graph.serialize().nodes[0].widgets_values[3],
      );
      assert.equal(kept, bad);
    }
    await page.open([BOX(ONE.replace('"version":1', '"version":7'))]);
    await page.shot('boxes broken');
    await page.page.fill('.choreo-broken textarea', ONE);
    await page.page.click('.choreo-broken input[type=button]:first-of-type');
    await page.settle();
    assert.deepEqual(await page.value(), JSON.parse(ONE));
  });

  test('markup in names is text', async (page) => {
    const name = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
    await page.open([BOX(ONE.replace('"cat"', JSON.stringify(name)))]);
    await page.click(0.3, 0.5);
    await page.press('l');
    assert.equal(await page.run(() => document.querySelector('.choreo-name')?.textContent), name);
    await page.page.waitForTimeout(200);
    assert.equal(await page.run(() => /** @type {any} */ (window).hacked), undefined);
  });

  test('a clone has a drawing of its own; a size of zero harms nothing', async (page) => {
    await page.open([BOX(ONE)]);
    await page.run(() => {
      const { graph } = /** @type {any} */ (window).app;
      const made = graph.getNodeById(1).clone();
      made.pos = [560, 0];
      graph.add(made);
      made.id = 5;
      graph._nodes_by_id[5] = made;
    });
    await page.until(() => document.querySelectorAll('.choreo-editor').length === 2);
    await page.settle();
    await page.drag([
      [0.05, 0.05],
      [0.15, 0.2],
    ]);
    const copy = await page.run(
      () =>
        /** @type {any} */ (window).app.graph._nodes
          .at(-1)
          .widgets.find((/** @type {any} */ w) => w.name === 'boxes').value,
    );
    const texts = await page.run(() =>
      /** @type {any} */ (window).app.graph._nodes.map(
        (/** @type {any} */ n) => n.widgets.find((/** @type {any} */ w) => w.name === 'boxes').value,
      ),
    );
    assert.equal(texts.length, 2, copy);
    assert.deepEqual(texts.map((/** @type {string} */ text) => JSON.parse(text).boxes.length).sort(), [1, 2]);
    const before = await page.value();
    await page.run(() => {
      const holder = /** @type {HTMLElement} */ (document.querySelector('.choreo-holder'));
      holder.style.display = 'none';
      setTimeout(() => (holder.style.display = ''), 100);
    });
    await page.page.waitForTimeout(250);
    assert.deepEqual(await page.value(), before);
  });
});
