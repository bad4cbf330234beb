// What stays quick with much in a drawing: counted in calls to the canvas, not in seconds.

import assert from 'node:assert/strict';
import { crowd, FRAMES, pointNode } from './crowd.mjs';
import { graphOf, inBothModes } from './page.mjs';

const on = { name: 'points' };

/** Count what the page's canvases do from now on.
 * @param {import('./page.mjs').ComfyPage} page */
function watch(page) {
  return page.run(() => {
    const w = /** @type {any} */ (window);
    w.calls = { paths: 0, strokes: 0, fills: 0, pictures: 0, words: 0, sizes: 0, rows: 0 };
    if (w.watched) return;
    w.watched = true;
    const ours = (/** @type {any} */ context) => context.canvas.closest?.('.choreo-editor');
    const count = (/** @type {string} */ method, /** @type {string} */ name) => {
      const { prototype } = CanvasRenderingContext2D;
      const former = /** @type {any} */ (prototype)[method];
      /** @type {any} */ (prototype)[method] = function (/** @type {any[]} */ ...given) {
        if (ours(this)) w.calls[name]++;
        return former.apply(this, given);
      };
    };
    count('stroke', 'strokes');
    count('fill', 'fills');
    count('drawImage', 'pictures');
    count('strokeText', 'words');
    w.Path2D = class extends Path2D {
      constructor(/** @type {any[]} */ ...given) {
        super(...given);
        w.calls.paths++;
      }
    };
    new MutationObserver((changes) => {
      for (const { target, attributeName } of changes) {
        if (attributeName) w.calls.sizes++;
        else if (/** @type {any} */ (target).closest('.choreo-panel')) w.calls.rows++;
      }
    }).observe(document.querySelector('.choreo-editor') ?? document, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: ['width', 'height'],
    });
  });
}

/** The counts, per frame of the timeline. @param {import('./page.mjs').ComfyPage} page
 * @param {number} frames */
const counted = async (page, frames) => {
  const calls = await page.run(() => /** @type {any} */ (window).calls);
  return Object.fromEntries(Object.entries(calls).map(([name, n]) => [name, n / frames]));
};

/** Go through frames, one picture each. @param {import('./page.mjs').ComfyPage} page
 * @param {string} name */
const scrub = (page, name) =>
  page.run(async (name) => {
    const { graph } = /** @type {any} */ (window).app;
    const editor = graph.getNodeById(1).widgets.find((/** @type {any} */ w) => w.name === name).choreo;
    for (let f = 1; f <= 20; f++) {
      editor.model.seek(f);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
  }, name);

inBothModes((test) => {
  test('scrubbing 200 points with 9,800 keys copies one picture a point and builds no path', async (page) => {
    await page.open([pointNode(crowd())]);
    await page.page.click('.choreo-is-panel input', { force: true });
    await page.settle();
    await watch(page);
    await scrub(page, 'points');
    const calls = await counted(page, 20);
    assert.ok(calls.pictures >= 200 && calls.pictures <= 201, `${calls.pictures} pictures`);
    const { paths, strokes, fills, words, sizes, rows } = calls;
    assert.deepEqual([paths, strokes, words, sizes, rows], [0, 0, 0, 0, 0]);
    assert.ok(fills <= 1, `${fills} fills`); // the timeline's head
  });

  test('dragging one of 200 points draws the other ways once', async (page) => {
    await page.open([pointNode(crowd())]);
    const [, x, y] = crowd().points[105].k[0];
    await page.click(x, y, on);
    await watch(page);
    await page.drag(
      [[x, y], ...[1, 2, 3, 4].map((i) => /** @type {[number, number]} */ ([x + i / 50, y]))],
      on,
    );
    const calls = await counted(page, 1);
    // One path for the others' ways at the start, two for all of them at the end, one a frame for its own.
    assert.ok(calls.paths <= 24 + 6, `${calls.paths} paths`);
    assert.equal(calls.sizes, 0);
    const moved = (await page.value(1, 'points')).points;
    assert.ok(Math.abs(moved[105].k[0][1] - x - 0.08) < 0.01);
    assert.deepEqual(moved.toSpliced(105, 1), crowd().points.toSpliced(105, 1));
  });

  test('scrubbing strokes and boxes builds no path for what rests', async (page) => {
    const key = (/** @type {number} */ n, /** @type {number} */ i) => ({ x: i / 10, y: (n + 1) / 60 });
    const strokes = Array.from({ length: 50 }, (_, n) => ({
      id: `s${n}`,
      o: 'o1',
      k: Array.from({ length: 9 }, (_, i) => key(n, i)),
    }));
    const { points, choreo, ...head } = crowd(1);
    const text = JSON.stringify({ choreo: 'strokes', ...head, strokes });
    await page.open([{ id: 1, type: 'ChoreoStrokeTrajectory', values: [832, 480, FRAMES, text] }]);
    await watch(page);
    await scrub(page, 'strokes');
    const calls = await counted(page, 20);
    assert.deepEqual([calls.paths, calls.strokes, calls.words], [0, 0, 0]);
    assert.equal(calls.pictures, 50);
  });

  test('4,096 points are drawn and dragged, 10,000 are refused and kept', async (page) => {
    const one = (/** @type {number} */ n) => [
      [0, 0.1 + (0.8 * (n % 64)) / 64, 0.1 + (0.8 * (n >> 6)) / 160, 1],
    ];
    await page.open([pointNode(crowd(4096, one))]);
    const [[, x, y]] = one(2000);
    const [[fromX, fromY], [toX, toY]] = [
      await page.at(x, y, 1, 'points'),
      await page.at(0.95, 0.95, 1, 'points'),
    ];
    const { mouse } = page.page;
    const moveTo = async (/** @type {number} */ part) => {
      await mouse.move(fromX + part * (toX - fromX), fromY + part * (toY - fromY));
      await page.settle();
    };
    await moveTo(0);
    await mouse.down();
    await moveTo(0.1); // all are drawn at the press and when the drag begins
    await watch(page);
    for (let step = 1; step <= 12; step++) await moveTo(0.1 + (0.9 * step) / 12);
    const { pictures } = await counted(page, 12);
    assert.ok(pictures >= 1, 'nothing was drawn');
    // The one that moves; once, at most, all of them because the page stirs.
    assert.ok(pictures < 4096 / 6, `${pictures} pictures a move`);
    await mouse.up();
    await page.settle();
    const [[, nx, ny]] = (await page.value(1, 'points')).points[2000].k;
    assert.ok(Math.hypot(nx - 0.95, ny - 0.95) < 0.01, `${nx} ${ny}`);
    await page.shot('4096 points');

    const huge = pointNode(crowd(10_000, one));
    await page.load(graphOf([huge]), 1, '.choreo-broken:not([hidden])');
    const { error, text } = await page.editor(1, 'points');
    assert.match(error, /4096/);
    assert.equal(text, huge.values[3]);
    const prompt = await page.run(() => /** @type {any} */ (window).app.graphToPrompt());
    assert.equal(prompt.output['1'].inputs.points, huge.values[3]);
  });

  test('10,000 points that are pasted or linked give a message, and the drawing stays', async (page) => {
    const one = (/** @type {number} */ n) => [[0, (n % 100) / 100, n / 20_000, 1]];
    const few = pointNode(crowd(200, one));
    const flat = JSON.stringify(Array.from({ length: 10_000 }, (_, n) => ({ x: n % 800, y: n % 400 })));
    const text = { id: 2, type: 'PrimitiveStringMultiline', values: [flat], pos: [520, 0], size: [220, 200] };
    const print = { id: 3, type: 'PreviewAny', values: [], pos: [800, 0], size: [220, 200] };
    await page.open([few, text, print], [[1, 1, 3, 'source', '*']]);
    await page.click(0.95, 0.95, on);
    const drawn = await page.editor(1, 'points');
    const paste = (/** @type {string} */ words) =>
      page.run((words) => {
        const clipboardData = new DataTransfer();
        clipboardData.setData('text/plain', words);
        const event = new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData });
        document.querySelector('.choreo-range')?.dispatchEvent(event);
      }, words);
    for (const [words, message] of /** @type {[string, RegExp][]} */ ([
      [JSON.stringify(crowd(10_000, one)), /10000 entries; at most 4096/],
      [JSON.stringify(crowd(4000, one)), /4201 entries; at most 4096/],
      [' '.repeat(1_000_001), /1000001 characters; at most 1000000/],
    ])) {
      await paste(words);
      await page.settle();
      const now = await page.editor(1, 'points');
      assert.match(now.notice, message);
      assert.equal(now.text, drawn.text);
    }

    await page.run(() => {
      const { graph } = /** @type {any} */ (window).app;
      graph.getNodeById(2).connect(0, graph.getNodeById(1), 'geometry');
    });
    const run = await page.queue();
    assert.equal(run.status.status_str, 'error');
    const [, failed] = run.status.messages.find((/** @type {any} */ [name]) => name === 'execution_error');
    assert.match(failed.exception_message, /list of 1 to 4096/);
    assert.equal((await page.editor(1, 'points')).text, drawn.text);
    await page.run(() => /** @type {any} */ (window).app.extensionManager.dialog?.closeDialog?.());
  });
});
