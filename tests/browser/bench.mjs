// Times of frames while a point among 200 of 49 keys each is dragged, and while the timeline is scrubbed.
// Prints {"drag": {"frame", "draw"}, "scrub": {…}}: 95th percentiles in ms. Draw is the time that the editor
// takes of a frame, drawing to the last pixel included.

import { crowd, FRAMES, pointNode } from './crowd.mjs';
import { ComfyPage } from './page.mjs';

const drawing = crowd();
const on = { name: 'points' };

/** Frame times while something happens. @param {ComfyPage} page @param {() => Promise<void>} act */
async function timed(page, act) {
  await page.run(() => {
    const w = /** @type {any} */ (window);
    const { stage, timeline } = w.app.graph
      .getNodeById(1)
      .widgets.find((/** @type {any} */ i) => i.choreo).choreo;
    /** @type {{frame: number[], draw: number[], on: boolean}} */
    const times = { frame: [], draw: [], on: true };
    w.times = times;
    let spent = 0;
    for (const part of [stage, timeline]) {
      const front = part.front ?? part.head;
      part.draw = function () {
        const start = performance.now();
        Object.getPrototypeOf(part).draw.call(part);
        front.getContext('2d').getImageData(0, 0, 1, 1); // waits for the last pixel
        spent += performance.now() - start;
      };
    }
    let last = 0;
    const tick = (/** @type {number} */ now) => {
      if (last) times.frame.push(now - last);
      if (spent) times.draw.push(spent);
      [last, spent] = [now, 0];
      if (times.on) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  await act();
  const times = await page.run(() => {
    const { times } = /** @type {any} */ (window);
    times.on = false;
    return times;
  });
  const p95 = (/** @type {number[]} */ list) =>
    list.sort((a, b) => a - b)[Math.floor(0.95 * (list.length - 1))];
  return { frame: p95(times.frame), draw: p95(times.draw), frames: times.draw.length };
}

const page = await ComfyPage.open(process.env.CHOREO_MODES || 'classic', {});
try {
  await page.open([pointNode(drawing)]);
  const [, x, y] = drawing.points[105].k[0];
  await page.click(x, y, on);
  await page.settle();
  const way = Array.from(
    { length: 40 },
    (_, i) => /** @type {[number, number]} */ ([x + 0.1 * Math.sin(i / 4), y]),
  );
  const drag = await timed(page, () => page.drag([[x, y], ...way], on));
  const scrub = await timed(page, async () => {
    for (let i = 0; i < 4 * FRAMES; i++)
      await page.page.keyboard.press(i % (2 * FRAMES) < FRAMES ? '.' : ',');
  });
  console.log(JSON.stringify({ drag, scrub }));
} finally {
  await page.context.close().catch(() => {});
}
