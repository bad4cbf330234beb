// Where the pictures come from, before and after a run; and what links bring into a drawing.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { inBothModes, URL_ } from './page.mjs';

const CLIPS = process.env.CHOREO_PROFILES;
const near = (/** @type {number} */ a, /** @type {number} */ b, by = 0.006) =>
  assert.ok(Math.abs(a - b) <= by, `${a} is not ${b}`);

/** Put a clip among the inputs; its name there. @param {string} name */
async function uploaded(name) {
  const body = new FormData();
  body.append('image', new Blob([readFileSync(`${CLIPS}/${name}`)]), name);
  body.append('subfolder', 'choreo');
  const made = await (await fetch(`${URL_}/upload/image`, { method: 'POST', body })).json();
  return `choreo/${made.name} [input]`;
}

/** A point drawing on a clip of 48 frames. @param {string} name */
const onClip = (name) =>
  JSON.stringify({
    choreo: 'points',
    version: 1,
    space: { w: 192, h: 96, frames: 48, fps: 16 },
    source: { kind: 'video', name, start: 0, step: 1 },
    objects: [{ id: 'o1', name: 'cat', color: '#e6194b' }],
    points: [{ id: 'p1', o: 'o1', neg: 0, interp: 'track', k: [[0, 0.5, 0.5, 1]] }],
  });

/** Kind of the source and the index that the shown picture carries in its blocks. @param {any} page */
const shown = (page) =>
  page.run(() => {
    const { frames, stage } = /** @type {any} */ (window).app.graph
      .getNodeById(1)
      .widgets.find((/** @type {any} */ w) => w.choreo).choreo;
    if (!frames.source || !stage.picture) return null;
    const canvas = Object.assign(document.createElement('canvas'), { width: 192, height: 96 });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.drawImage(stage.picture, 0, 0, 192, 96);
    const bit = (/** @type {number} */ n) =>
      Number(context.getImageData(32 * n + 16, 48, 1, 1).data[0] > 128);
    const index = [0, 1, 2, 3, 4, 5].reduce((sum, n) => sum + (bit(n) << n), 0);
    return { kind: frames.source.kind, count: frames.source.count, index };
  });

/** Wait until a frame is shown. @param {any} page @param {number} index */
async function waitFor(page, index) {
  for (let n = 0; n < 150; n++) {
    const now = await shown(page);
    if (now?.index === index) return now;
    await page.page.waitForTimeout(100);
  }
  assert.fail(
    `frame ${index} was not shown but ${JSON.stringify(await shown(page))}; ${(await page.editor(1, 'points')).notice}`,
  );
}

/** Seek here and there, and find each frame. @param {any} page @param {string} kind */
async function goThrough(page, kind) {
  await waitFor(page, 0);
  await page.page.focus('.choreo-range');
  for (const index of [47, 13, 14, 1, 30]) {
    await page.run(
      (/** @type {number} */ i) =>
        /** @type {any} */ (window).app.graph
          .getNodeById(1)
          .widgets.find((/** @type {any} */ w) => w.choreo)
          .choreo.seek(i),
      index,
    );
    const now = await waitFor(page, index);
    assert.deepEqual([now.kind, now.count], [kind, 48]);
  }
}

/** Let every video element show its former picture for some ms after it has sought, as one does where the
 * machine is busy; undone by what it returns. @param {any} page @param {number} ms */
async function lag(page, ms) {
  await page.run((/** @type {number} */ ms) => {
    const w = /** @type {any} */ (window);
    const { VideoFrame, createImageBitmap } = window;
    w.lagging = { VideoFrame, createImageBitmap, late: 0 };
    /** @type {VideoFrame | null} */ let former = null;
    let until = 0;
    document.createElement = new Proxy(document.createElement, {
      apply(make, self, given) {
        const made = Reflect.apply(make, self, given);
        if (given[0] === 'video') made.addEventListener('seeked', () => (until = performance.now() + ms));
        return made;
      },
    });
    const seen = (/** @type {HTMLVideoElement} */ video) => {
      if (former && performance.now() < until) {
        w.lagging.late++;
        return former.clone();
      }
      former?.close();
      former = new VideoFrame(video);
      return former.clone();
    };
    w.VideoFrame = /** @type {any} */ (
      function (/** @type {any} */ from) {
        return from instanceof HTMLVideoElement ? seen(from) : new VideoFrame(from);
      }
    );
    w.createImageBitmap = (/** @type {any} */ from, /** @type {any[]} */ ...more) =>
      createImageBitmap(from instanceof HTMLVideoElement ? seen(from) : from, .../** @type {[]} */ (more));
  }, ms);
  return async () => {
    const late = await page.run(() => {
      const w = /** @type {any} */ (window);
      const { lagging } = w;
      Object.assign(w, { VideoFrame: lagging.VideoFrame, createImageBitmap: lagging.createImageBitmap });
      delete (/** @type {any} */ (document).createElement);
      return lagging.late;
    });
    assert.ok(late > 0, 'no picture was late');
  };
}

inBothModes((test) => {
  for (const [file, kind] of [
    ['h264.mp4', 'video'],
    ['hevc.mp4', 'server'],
  ]) {
    test(`${file}: every frame is the right one (${kind})`, async (page) => {
      const name = await uploaded(file);
      await page.open([{ id: 1, type: 'ChoreoPointPicker', values: [192, 96, 48, onClip(name)] }]);
      await goThrough(page, kind);
      await page.shot(`frames ${file}`);
    });
  }

  for (const [what, ms] of /** @type {[string, number][]} */ ([
    ['lags behind its seeks', 60],
    ['keeps its first picture', 60_000],
  ])) {
    test(`where a video element ${what}, the frames are right`, async (page) => {
      const name = await uploaded('h264.mp4');
      const undone = await lag(page, ms);
      try {
        await page.open([{ id: 1, type: 'ChoreoPointPicker', values: [192, 96, 48, onClip(name)] }]);
        await goThrough(page, 'video');
      } finally {
        await undone();
      }
    });
  }

  test('a truncated or missing file is a message, and the drawing stays', async (page) => {
    for (const name of [
      await uploaded('broken.mp4'),
      'choreo/nowhere.mp4 [input]',
      '../../secret.mp4 [input]',
    ]) {
      await page.open([{ id: 1, type: 'ChoreoPointPicker', values: [192, 96, 48, onClip(name)] }]);
      await page.until(() => (document.querySelector('.choreo-warns')?.textContent ?? '').length > 5);
      assert.deepEqual(await page.value(1, 'points'), JSON.parse(onClip(name)));
    }
    page.errors.length = 0; // the browser reports each failed request
  });

  test('a linked loader shows its picture at once, another node’s after a run', async (page) => {
    await page.open(
      [
        { id: 1, type: 'ChoreoBoxTrajectory', values: [640, 360, 14, ''] },
        { id: 2, type: 'LoadImage', values: ['example.png', 'image'], pos: [520, 0], size: [220, 300] },
      ],
      [[2, 0, 1, 'image', 'IMAGE']],
    );
    await page.until(
      () =>
        /** @type {any} */ (window).app.graph.getNodeById(1).widgets.find((/** @type {any} */ w) => w.choreo)
          .choreo.frames.source?.kind === 'image',
    );
    await page.shot('frames linked picture');
    await page.open(
      [
        { id: 1, type: 'ChoreoMotionBrush', values: [128, 128, 'joined', ''] },
        { id: 2, type: 'EmptyImage', values: [128, 128, 1, 0], pos: [520, 0] },
        { id: 3, type: 'MaskPreview', values: [], pos: [520, 320] },
      ],
      [
        [2, 0, 1, 'image', 'IMAGE'],
        [1, 0, 3, 'mask', 'MASK'],
      ],
    );
    await page.drag(
      [
        [0.3, 0.6],
        [0.5, 0.6],
      ],
      { name: 'mask' },
    );
    assert.equal((await page.queue()).status.status_str, 'success');
    await page.until(
      () =>
        /** @type {any} */ (window).app.graph.getNodeById(1).widgets.find((/** @type {any} */ w) => w.choreo)
          .choreo.frames.source?.kind === 'run',
    );
    await page.shot('frames of the last run');
  });

  test('linked coordinates become the drawing; what is changed then wins', async (page) => {
    const line = '[{"x": 64, "y": 36}, {"x": 320, "y": 180}]';
    await page.open(
      [
        { id: 1, type: 'ChoreoStrokeTrajectory', values: [640, 360, 16, ''] },
        { id: 2, type: 'PreviewAny', values: [], pos: [520, 0], size: [220, 200] },
        { id: 3, type: 'PrimitiveStringMultiline', values: [line], pos: [520, 260], size: [220, 120] },
      ],
      [
        [1, 1, 2, 'source', '*'],
        [3, 0, 1, 'geometry', 'STRING'],
      ],
    );
    const run = await page.queue();
    near(JSON.parse(run.outputs['2'].text[0])[0].x, 64, 0.1);
    await page.until(
      () =>
        /** @type {any} */ (window).app.graph.getNodeById(1).widgets.find((/** @type {any} */ w) => w.choreo)
          .choreo.model.doc.seed,
    );
    const doc = await page.value(1, 'strokes');
    near(doc.strokes[0].k[0].x, 0.1);
    near(doc.strokes[0].k.at(-1).y, 0.5);
    await page.page.check('.choreo-modes input[value=move]', { force: true });
    await page.click(0.1, 0.1, { name: 'strokes' });
    await page.drag(
      [
        [0.1, 0.1],
        [0.3, 0.2],
      ],
      { name: 'strokes' },
    );
    const again = await page.queue();
    near(JSON.parse(again.outputs['2'].text[0])[0].x, 192, 3);
  });
});
