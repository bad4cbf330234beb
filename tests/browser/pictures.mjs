// Pictures of the editors at work for `scripts/pictures.py`: out/pictures/NAME.png, and the frames of the
// animated one as out/pictures/moving/0000.png.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { ComfyPage } from './page.mjs';

/** @typedef {[number, number]} Point */

const OUT = new URL('../../out/pictures/', import.meta.url).pathname;
const SIZE = [600, 560];
const HEIGHT = 400;
const read = (/** @type {string} */ twin) =>
  JSON.parse(readFileSync(new URL(`../../workflows/api/${twin}.json`, import.meta.url), 'utf-8'));
const [BOX, POINTS, BOTH] = ['draw-a-box', 'points-on-video', 'strokes-and-mask'].map(read);
const example = JSON.parse(
  readFileSync(new URL('../../workflows/Strokes and mask.json', import.meta.url), 'utf-8'),
);
const CURSOR = `<svg width="22" height="22" viewBox="0 0 22 22"><path d="M3 2l14 11-7 .6 4 6-2.6 1.5-3.8-6.2L3
  19z" fill="#fff" stroke="#111" stroke-width="1.4"/></svg>`;

class Studio {
  /** @param {ComfyPage} comfy */
  constructor(comfy) {
    this.comfy = comfy;
    this.count = 0;
    this.name = 'boxes';
    /** @type {any} */ this.clip = undefined;
  }

  /** An editor with something upstream. @param {any} node @param {any} from @param {string} name */
  async show(node, from, name) {
    this.name = name;
    const values = (/** @type {any} */ entry) =>
      Object.entries(entry.inputs).flatMap(([key, v]) =>
        Array.isArray(v) ? [] : key === 'seed' ? [v, 'fixed'] : [v],
      );
    await this.comfy.open(
      [
        { id: 1, type: node.class_type, values: values(node), size: SIZE, pos: [0, 0] },
        { id: 2, type: from.class_type, values: values(from), pos: [900, 0], size: [300, 420] },
      ],
      [[2, 0, 1, 'image', 'IMAGE']],
    );
    // Nodes have different numbers of widgets; their editors shall be as high as each other.
    await this.comfy.run((height) => {
      const { graph, canvas } = /** @type {any} */ (window).app;
      const editor = /** @type {HTMLElement} */ (document.querySelector('.choreo-editor'));
      const made = graph.getNodeById(1);
      made.setSize([made.size[0], made.size[1] + height - editor.offsetHeight]);
      canvas.setDirty(true, true);
    }, HEIGHT);
    await this.comfy.settle();
    const editor = await this.comfy.page.$('.choreo-editor');
    this.clip = await editor?.boundingBox();
    await this.comfy.until(
      (/** @type {string} */ name) =>
        /** @type {any} */ (window).app.graph
          .getNodeById(1)
          .widgets.find((/** @type {any} */ w) => w.name === name).choreo.stage.picture,
      name,
    );
    await this.comfy.run((cursor) => {
      document.querySelector('#pointer')?.remove();
      const arrow = Object.assign(document.createElement('div'), { id: 'pointer', innerHTML: cursor });
      arrow.style.cssText = 'position:fixed;z-index:99999;pointer-events:none;left:-99px;top:0';
      document.body.append(arrow);
    }, CURSOR);
  }

  /** Move the mouse through points of the drawing, a frame each `every` steps. @param {Point[]} points
   * @param {{steps?: number, press?: boolean}} options */
  async move(points, { steps = 5, press = false } = {}) {
    const places = [];
    for (const [x, y] of points) places.push(await this.comfy.at(x, y, 1, this.name));
    await this.to(places[0]);
    if (press) await this.comfy.page.mouse.down();
    for (let i = 1; i < places.length; i++) {
      const [[x0, y0], [x1, y1]] = [places[i - 1], places[i]];
      for (let n = 1; n <= steps; n++) {
        await this.to([x0 + ((x1 - x0) * n) / steps, y0 + ((y1 - y0) * n) / steps]);
        await this.frame();
      }
    }
    if (press) await this.comfy.page.mouse.up();
    await this.frame(2);
  }

  /** @param {Point} at */
  async to([x, y]) {
    await this.comfy.page.mouse.move(x, y);
    await this.comfy.run(
      ([x, y]) => {
        const arrow = /** @type {HTMLElement} */ (document.querySelector('#pointer'));
        Object.assign(arrow.style, { left: `${x - 3}px`, top: `${y - 2}px` });
      },
      [x, y],
    );
  }

  /** Show frames of the timeline. @param {number[]} frames */
  async scrub(frames) {
    for (const frame of frames) {
      await this.comfy.run(
        async ([name, frame]) => {
          const { graph } = /** @type {any} */ (window).app;
          const editor = graph.getNodeById(1).widgets.find((/** @type {any} */ w) => w.name === name).choreo;
          editor.seek(frame);
          while (editor.frames.busy) await new Promise((done) => setTimeout(done, 20));
        },
        [this.name, frame],
      );
      await this.frame();
    }
  }

  /** A frame of the animated picture, shown `times` long. */
  async frame(times = 1) {
    await this.comfy.settle();
    const path = `${OUT}moving/${String(this.count).padStart(4, '0')}-${times}.png`;
    await this.comfy.page.screenshot({ path, clip: this.clip });
    this.count++;
  }

  /** @param {string} name */
  async shot(name) {
    await this.comfy.settle();
    await this.comfy.page.screenshot({ path: `${OUT}${name}.png`, clip: this.clip });
  }
}

const empty = (/** @type {any} */ entry, /** @type {string} */ key) => ({
  ...entry,
  inputs: { ...entry.inputs, [key]: '' },
});
const every = (/** @type {number} */ last, step = 1) =>
  Array.from({ length: Math.floor(last / step) + 1 }, (_, i) => i * step);

rmSync(OUT, { recursive: true, force: true });
mkdirSync(`${OUT}moving`, { recursive: true });
const comfy = await ComfyPage.open('classic', { size: [1400, 900] });
const studio = new Studio(comfy);
try {
  await studio.show(empty(BOX['4'], 'boxes'), BOX['2'], 'boxes');
  await studio.frame(3);
  await studio.move(
    [
      [0.15, 0.53],
      [0.41, 0.79],
    ],
    { press: true },
  );
  await comfy.press('End');
  await studio.move(
    [
      [0.28, 0.66],
      [0.5, 0.3],
      [0.74, 0.42],
    ],
    { press: true, steps: 4 },
  );
  await comfy.run(() => {
    const { graph } = /** @type {any} */ (window).app;
    const { model } = graph.getNodeById(1).widgets.find((/** @type {any} */ w) => w.choreo).choreo;
    const [box] = model.entries;
    const k = [box.k[0], { f: 4, x: 0.45, y: 0.33, ease: 'linear' }, box.k[1]];
    model.edit({ ...model.doc, boxes: [{ ...box, path: 'smooth', k }] });
  });
  await studio.scrub([...every(7), ...every(7)]);
  await studio.scrub([3]);
  await studio.shot('boxes');

  await studio.show(POINTS['2'], POINTS['1'], 'points');
  await studio.scrub(every(31, 2));
  await studio.scrub([5]);
  const [, x, y] = JSON.parse(POINTS['2'].inputs.points).points[0].k[1];
  await comfy.click(x, y, { name: 'points' });
  await studio.scrub([22]);
  await studio.shot('points');

  const { mask, strokes } = { mask: BOTH['3'], strokes: BOTH['2'] };
  const scene = { ...BOTH['1'], inputs: { ...BOTH['1'].inputs, color: 'blue' } };
  await studio.show(empty(strokes, 'strokes'), scene, 'strokes');
  await studio.move(
    every(16).map((i) => [0.28 + 0.034 * i, 0.66 - 0.3 * Math.sin((Math.PI * i) / 18)]),
    { press: true, steps: 1 },
  );
  await studio.scrub(every(15, 2));
  await studio.scrub([9]);
  await studio.shot('strokes');

  await studio.show(empty(mask, 'mask'), scene, 'mask');
  await studio.move(
    every(14).map((i) => [0.28 + 0.006 * i * Math.cos(i), 0.66 + 0.006 * i * Math.sin(i)]),
    { press: true, steps: 1 },
  );
  await studio.frame(4);
  await studio.shot('mask');

  await comfy.load(example, 0.6);
  await comfy.click(0.6, 0.4, { id: 3, name: 'mask' });
  await comfy.press('Control+z', 'Enter', 'Home', '.', '.', '.', '.', '.');
  await comfy.page.mouse.move(0, 0);
  await comfy.until(
    () => /** @type {any} */ (document.querySelector('dialog .choreo-chip')).textContent === 'picture',
  );
  studio.clip = await (await comfy.page.$('dialog .choreo-editor'))?.boundingBox();
  await studio.shot('several');
} finally {
  await comfy.context.close().catch(() => {});
}
