// Chinese texts on a sharp screen; dropped and pasted files, a pen, App mode, another tab, a reload.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { inBothModes } from './page.mjs';

const CLIP = readFileSync(`${process.env.CHOREO_PROFILES}/h264.mp4`).toString('base64');
const node = (type = 'ChoreoBoxTrajectory', size = [640, 360, 14]) => ({
  id: 1,
  type,
  values: [...size, ''],
});

/** Give the editor a file by an event of the page. @param {import('./page.mjs').ComfyPage} page
 * @param {'drop' | 'paste'} how @param {string} name @param {string} data base64 */
const give = (page, how, name, data) =>
  page.run(
    ([how, name, data]) => {
      const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type: 'video/mp4' }));
      const common = { bubbles: true, cancelable: true };
      const event =
        how === 'drop'
          ? new DragEvent('drop', { ...common, dataTransfer: transfer })
          : new ClipboardEvent('paste', { ...common, clipboardData: transfer });
      const target = how === 'drop' ? '.choreo-stage' : '.choreo-range';
      document.querySelector(target)?.dispatchEvent(event);
    },
    [how, name, data],
  );

/** What the editor's pictures come from. @param {import('./page.mjs').ComfyPage} page */
const source = (page) =>
  page.run(() => {
    const { widgets } = /** @type {any} */ (window).app.graph.getNodeById(1);
    const { frames, timeline } = widgets.find((/** @type {any} */ w) => w.choreo).choreo;
    const { kind, label, count } = frames.source ?? {};
    return { kind, label, count, strip: timeline.pictures.length };
  });

const strip = () => {
  const { widgets } = /** @type {any} */ (window).app.graph.getNodeById(1);
  return widgets.find((/** @type {any} */ w) => w.choreo).choreo.timeline.pictures.length > 0;
};

inBothModes(
  (test) => {
    test('texts are Chinese and canvases sharp', async (page) => {
      await page.open([node()]);
      const seen = await page.run(() => ({
        stage: document.querySelector('.choreo-stage')?.getAttribute('aria-label'),
        buttons: [...document.querySelectorAll('.choreo-bar input')].map((i) => i.getAttribute('aria-label')),
        notice: document.querySelector('.choreo-notice:not([hidden])')?.textContent,
        sharp: [...document.querySelectorAll('.choreo-editor canvas:not(.choreo-others)')].map(
          (c) => /** @type {HTMLCanvasElement} */ (c).width / c.clientWidth,
        ),
      }));
      for (const text of [seen.stage, seen.notice, ...seen.buttons.filter(Boolean)])
        assert.match(String(text), /[一-鿿]/);
      for (const ratio of seen.sharp) assert.ok(Math.abs(ratio - 2) < 0.02, `${seen.sharp}`);
      await page.drag([
        [0.2, 0.2],
        [0.6, 0.7],
      ]);
      const [key] = (await page.value()).boxes[0].k;
      assert.ok(Math.hypot(key.x - 0.4, key.y - 0.45) < 0.006, JSON.stringify(key));
      await page.shot('chinese');
    });

    test('a dropped and a pasted video become the picture, with a strip of it', async (page) => {
      for (const how of /** @type {const} */ (['drop', 'paste'])) {
        await page.open([node('ChoreoPointPicker', [192, 96, 48])]);
        await page.click(0.5, 0.5, { name: 'points' });
        await give(page, how, `${how}.mp4`, CLIP);
        await page.until(strip);
        const now = await source(page);
        assert.deepEqual([now.kind, now.count, now.strip], ['video', 48, 16]);
        const { source: kept } = await page.value(1, 'points');
        assert.equal(kept.kind, 'video');
        assert.match(kept.name, new RegExp(`^choreo/${how}.*\\.mp4 \\[input\\]$`));
        assert.equal((await page.run(() => /** @type {any} */ (window).app.graph._nodes.length)) - 1, 0);
      }
    });

    test('a pen brushes as thick as it presses', async (page) => {
      const sized = { id: 1, type: 'ChoreoMotionBrush', values: [640, 360, 'joined', ''] };
      await page.open([sized]);
      const session = await page.context.newCDPSession(page.page);
      const pen = async (/** @type {string} */ type, /** @type {number} */ x, force = 0.5) => {
        const [px, py] = await page.at(x, 0.5, 1, 'mask');
        const button = { button: 'left', buttons: 1, clickCount: 1, pointerType: 'pen', force };
        await session.send('Input.dispatchMouseEvent', { type, x: px, y: py, ...button });
      };
      await pen('mousePressed', 0.2);
      for (const x of [0.3, 0.4, 0.5]) await pen('mouseMoved', x);
      await pen('mouseReleased', 0.5, 0);
      await page.settle();
      const [layer] = (await page.value(1, 'mask')).layers;
      assert.equal(layer.ops.length, 1);
      assert.equal(layer.ops[0].t, 'stroke');
      assert.ok(Math.abs(layer.ops[0].r - 0.015) < 1e-3, `${layer.ops[0].r}`); // half of the brush's 0.03
      assert.ok(layer.ops[0].p.length >= 6);
    });

    test('App mode, another tab and a reload keep drawing, view and brush', async (page) => {
      const sized = { id: 1, type: 'ChoreoMotionBrush', values: [640, 360, 'joined', ''] };
      await page.open([sized]);
      const on = { name: 'mask' };
      await page.click(0.3, 0.5, on);
      for (let n = 0; n < 5; n++) await page.press(']');
      await page.drag(
        [
          [0.6, 0.5],
          [0.7, 0.5],
        ],
        on,
      );
      const text = (await page.editor(1, 'mask')).text;
      const brush = () =>
        page.run(() => {
          const { widgets } = /** @type {any} */ (window).app.graph.getNodeById(1);
          return widgets.find((/** @type {any} */ w) => w.choreo).choreo.model.brush.r;
        });
      const run = (/** @type {string} */ command) =>
        page.run(
          (command) => /** @type {any} */ (window).app.extensionManager.command.execute(command),
          command,
        );
      const thick = await brush();
      assert.ok(thick > 0.05);
      for (const there of [1, 2]) {
        await run('Comfy.ToggleLinear');
        await page.page.waitForTimeout(300 * there);
      }
      await page.page.waitForSelector('.choreo-editor');
      await page.settle();
      assert.equal((await page.editor(1, 'mask')).text, text);

      await run('Comfy.NewBlankWorkflow');
      await page.until(() => !(/** @type {any} */ (window).app.graph._nodes.length));
      await run('Workspace.PreviousOpenedWorkflow');
      await page.until(() =>
        /** @type {any} */ (window).app.graph
          .getNodeById(1)
          ?.widgets?.some((/** @type {any} */ w) => w.choreo?.model.brush),
      );
      assert.equal((await page.editor(1, 'mask')).text, text);
      assert.equal(await brush(), thick);

      const graph = await page.run(() => /** @type {any} */ (window).app.graph.serialize());
      await page.goto();
      await page.load(graph);
      assert.equal((await page.editor(1, 'mask')).text, text);
      assert.equal(await brush(), thick);
    });

    test('a picture of another shape is outlined and said', async (page) => {
      await page.open([node('ChoreoPointPicker', [96, 96, 48])]);
      await page.click(0.5, 0.5, { name: 'points' });
      await give(page, 'drop', 'shape.mp4', CLIP);
      await page.until(strip);
      const outlines = await page.run(() => {
        const { widgets } = /** @type {any} */ (window).app.graph.getNodeById(1);
        const { stage } = widgets.find((/** @type {any} */ w) => w.choreo).choreo;
        return stage.outlines.map((/** @type {any} */ s) => [s.w, s.h]);
      });
      assert.deepEqual(outlines, [[192, 96]]);
      const asked = await page.run(() => document.querySelector('.choreo-notice')?.textContent);
      assert.match(asked ?? '', /96 × 96.*192 × 96/);
      await page.shot('another shape');
    });

    test('the help page is Chinese, with its picture', async (page) => {
      await page.open([node()]);
      await page.run(() => {
        const { graph, canvas } = /** @type {any} */ (window).app;
        canvas.selectNode(graph.getNodeById(1));
      });
      await page.page.locator('[data-testid=info-button]').dispatchEvent('click'); // tabs may lie over it
      const help = await page.page.waitForSelector('.node-help-content h1');
      assert.equal(await help.textContent(), '方框轨迹');
      await page.until(() => {
        const picture = /** @type {any} */ (document.querySelector('.node-help-content img'));
        return picture?.complete && picture.naturalWidth > 100;
      });
      await page.shot('chinese help');
      await page.page.keyboard.press('Escape');
    });
  },
  { settings: { 'Comfy.Locale': 'zh' }, scale: 2 },
);
