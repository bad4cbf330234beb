// Frame times of a drag with 200 points of 49 keys each; prints {"frame": ms, "draw": ms}, 95th percentiles.

import { ComfyPage } from './page.mjs';

const points = Array.from({ length: 200 }, (_, n) => ({
  id: `p${n}`,
  o: 'o1',
  neg: 0,
  interp: 'linear',
  k: Array.from({ length: 49 }, (_, f) => [
    f,
    0.1 + (0.8 * (n % 20)) / 20 + 0.02 * Math.sin(f / 5),
    0.1 + (0.8 * Math.floor(n / 20)) / 10 + 0.02 * Math.cos(f / 7 + n),
    1,
  ]),
}));
const text = JSON.stringify({
  choreo: 'points',
  version: 1,
  space: { w: 832, h: 480, frames: 49, fps: 16 },
  source: { kind: 'none' },
  objects: [{ id: 'o1', name: 'cat', color: '#e6194b' }],
  points,
});

const page = await ComfyPage.open('classic', {});
try {
  await page.open([{ id: 1, type: 'ChoreoPointPicker', values: [832, 480, 49, text] }]);
  await page.press('Escape');
  await page.run(() => {
    const w = /** @type {any} */ (window);
    const { stage } = w.app.graph.getNodeById(1).widgets.find((/** @type {any} */ i) => i.choreo).choreo;
    w.times = { frame: [], draw: [] };
    let last = 0;
    const tick = (/** @type {number} */ now) => {
      if (last) w.times.frame.push(now - last);
      last = now;
      w.times.draw.push(stage.cost);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  const [, x, y] = points[105].k[0];
  const way = Array.from(
    { length: 40 },
    (_, i) => /** @type {[number, number]} */ ([x + 0.1 * Math.sin(i / 4), y]),
  );
  await page.drag([[x, y], ...way], { name: 'points' });
  const times = await page.run(() => /** @type {any} */ (window).times);
  const p95 = (/** @type {number[]} */ list) =>
    list.sort((a, b) => a - b)[Math.floor(0.95 * (list.length - 1))];
  console.log(JSON.stringify({ frame: p95(times.frame), draw: p95(times.draw) }));
} finally {
  await page.context.close().catch(() => {});
}
