// A page of ComfyUI in Chromium, and what the tests do in it: load a graph, find the editor, use the mouse.

import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';

export const URL_ = process.env.CHOREO_URL ?? '';
const PATIENCE = Number(process.env.CHOREO_PATIENCE ?? 1);
const SHOTS = new URL('../../out/browser/', import.meta.url).pathname;
const MODES = process.env.CHOREO_MODES ? process.env.CHOREO_MODES.split(' ') : ['classic', 'vue'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const HARMLESS = /404|net::ERR_FAILED|graph accessed before initialization/;

/** Tests in each node mode, one page for all tests of a mode. @param {(test: (name: string,
 * body: (page: ComfyPage) => Promise<void>) => void) => void} define @param {any} options */
export function inBothModes(define, options = {}) {
  for (const mode of MODES) {
    describe(mode, () => {
      /** @type {ComfyPage} */ let page;
      before(
        async () => {
          page = await ComfyPage.open(mode, options);
        },
        { timeout: 240_000 * PATIENCE },
      );
      after(() => page?.context.close());
      define((name, body) => test(name, { timeout: 90_000 * PATIENCE }, () => page.during(name, body)));
    });
  }
}

export class ComfyPage {
  /** @param {string} mode @param {any} context @param {any} page */
  constructor(mode, context, page) {
    this.mode = mode;
    this.context = context;
    this.page = page;
    /** @type {string[]} */ this.errors = [];
  }

  /** @param {string} mode @param {any} options */
  static async open(mode, { settings = {}, size = [1280, 860], touch = false, scale = 1 }) {
    await post('/api/settings', {
      'Comfy.TutorialCompleted': true,
      'Comfy.VueNodes.Enabled': mode === 'vue',
      'Comfy.Locale': 'en',
      ...settings,
    });
    const profile = mkdtempSync(join(process.env.CHOREO_PROFILES ?? '/tmp', 'profile-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHOREO_CHROMIUM,
      headless: true,
      args: FLAGS,
      hasTouch: touch,
      viewport: { width: size[0], height: size[1] },
      deviceScaleFactor: scale,
    });
    context.setDefaultTimeout(30_000 * PATIENCE);
    await context.route('**/*', (route) => {
      const here =
        new URL(route.request().url()).hostname === '127.0.0.1' || !/^http/.test(route.request().url());
      return here ? route.continue() : route.abort();
    });
    const page = context.pages()[0] ?? (await context.newPage());
    const made = new ComfyPage(mode, context, page);
    page.on('pageerror', (error) => made.errors.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      if (message.type() === 'error' && !HARMLESS.test(message.text())) made.errors.push(message.text());
    });
    await made.goto();
    return made;
  }

  async goto() {
    await this.page.goto(URL_, { waitUntil: 'domcontentloaded' });
    await this.page.waitForFunction(() => {
      const w = /** @type {any} */ (window);
      return (
        w.app?.extensionManager && w.LiteGraph?.registered_node_types?.ChoreoBoxTrajectory && w.app.canvas
      );
    });
    // The page loads its last workflow by itself, and would do so over ours.
    await this.page.waitForFunction(() => {
      const { app } = /** @type {any} */ (window);
      return app.extensionManager.workflow?.activeWorkflow && app.graph?._nodes.length;
    });
    await this.page.waitForTimeout(500 * PATIENCE);
  }

  /** A test's body; errors of the page that are ours fail it. @param {string} name
   * @param {(page: ComfyPage) => Promise<void>} body */
  async during(name, body) {
    this.errors.length = 0;
    try {
      await body(this);
      const ours = this.errors.filter((text) => /choreo/i.test(text));
      if (ours.length) throw new Error(`The page reported:\n${ours.join('\n')}`);
    } catch (error) {
      await this.shot(`failed ${name}`).catch(() => {});
      throw error;
    }
  }

  /** Load a graph, at a scale, and wait for its editors. @param {any} graph @param {number} scale
   * @param {string} editor CSS of what to wait for */
  async load(graph, scale = 1, editor = '.choreo-editor') {
    await this.page.evaluate(
      async (/** @type {any[]} */ [graph, scale]) => {
        const { app } = /** @type {any} */ (window);
        await app.loadGraphData(graph);
        app.canvas.ds.scale = scale;
        app.canvas.ds.offset = [80 / scale, 100 / scale];
        app.canvas.setDirty(true, true);
      },
      [graph, scale],
    );
    if (editor) await this.page.waitForSelector(editor);
    await this.until(() =>
      /** @type {any} */ (window).app.graph._nodes.every((/** @type {any} */ node) =>
        (node.widgets ?? [])
          .filter((/** @type {any} */ w) => /^CHOREO_EDIT/.test(w.type))
          .every(
            (/** @type {any} */ w) =>
              w.choreo && (w.choreo.model.readOnly || w.choreo.stage.root.clientWidth > 50),
          ),
      ),
    );
    await this.settle();
  }

  /** Load nodes and keep the editor in the middle of the page. @param {any[]} nodes @param {any[][]} links
   * @param {number} scale */
  open(nodes, links = [], scale = 1) {
    return this.load(graphOf(nodes, links), scale);
  }

  /** Give the focus back to the graph. */
  async leave() {
    await this.run(() => /** @type {any} */ (document.activeElement)?.blur());
    await this.page.mouse.move(1000, 500);
    await this.settle();
  }

  /** Zoom and offset of the graph. */
  graphView() {
    return this.run(() => {
      const { scale, offset } = /** @type {any} */ (window).app.canvas.ds;
      return { scale, x: offset[0], y: offset[1] };
    });
  }

  /** Zoom of the editor, and what it says. @param {number} id @param {string} name */
  editor(id = 1, name = 'boxes') {
    return this.run(
      ([id, name]) => {
        const node = /** @type {any} */ (window).app.graph.getNodeById(id);
        const editor = node.widgets.find((/** @type {any} */ w) => w.name === name).choreo;
        const { model, stage, live, notices } = editor;
        return {
          zoom: stage.view.zoom,
          said: live.textContent,
          frame: model.frame,
          error: model.error,
          text: model.text,
          selection: [...model.selection],
          readOnly: model.readOnly,
          notice: notices.line.textContent,
          full: editor.full,
        };
      },
      [id, name],
    );
  }

  /** Wait until something in the page is so. @param {(argument: any) => any} body @param {any} [argument] */
  until(body, argument) {
    return this.page.waitForFunction(body, argument);
  }

  /** Wait until positions have followed. */
  async settle() {
    await this.page.evaluate(
      () =>
        new Promise((done) => {
          let left = 6;
          const next = () => (left-- ? requestAnimationFrame(next) : done(0));
          next();
        }),
    );
  }

  /** Run in the page. @template T @param {(argument: any) => T} body @param {any} [argument] */
  run(body, argument) {
    return this.page.evaluate(body, argument);
  }

  /** The editor's value of a node, as the graph saves it. @param {number} id @param {string} name */
  async value(id = 1, name = 'boxes') {
    const text = await this.run(
      ([id, name]) => {
        const node = /** @type {any} */ (window).app.graph.getNodeById(id);
        return node.widgets.find((/** @type {any} */ w) => w.name === name).value;
      },
      [id, name],
    );
    return JSON.parse(text);
  }

  /** Where a point of the drawing's canvas is on the screen. @param {number} x @param {number} y
   * @param {number} id @param {string} name */
  at(x, y, id = 1, name = 'boxes') {
    return this.run(
      ([x, y, id, name]) => {
        const node = /** @type {any} */ (window).app.graph.getNodeById(id);
        const { stage } = node.widgets.find((/** @type {any} */ w) => w.name === name).choreo;
        const box = stage.root.getBoundingClientRect();
        const [px, py] = stage.view.toView([x, y]);
        const zoom = box.width / stage.root.clientWidth;
        return [box.left + px * zoom, box.top + py * zoom];
      },
      [x, y, id, name],
    );
  }

  /** Drag through points of the drawing's canvas. @param {[number, number][]} points @param {any} options */
  async drag(points, { id = 1, name = 'boxes', keys = /** @type {string[]} */ ([]), button = 'left' } = {}) {
    const places = [];
    for (const [x, y] of points) places.push(await this.at(x, y, id, name));
    const { mouse, keyboard } = this.page;
    for (const key of keys) await keyboard.down(key);
    await mouse.move(...places[0]);
    await mouse.down({ button });
    for (const [x, y] of places.slice(1)) await mouse.move(x, y, { steps: 6 });
    await mouse.up({ button });
    for (const key of keys) await keyboard.up(key);
    await this.settle();
  }

  /** @param {number} x @param {number} y @param {any} options */
  async click(x, y, { id = 1, name = 'boxes', keys = /** @type {string[]} */ ([]) } = {}) {
    await this.drag([[x, y]], { id, name, keys });
  }

  /** @param {string[]} keys */
  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
    await this.settle();
  }

  /** Queue the graph and wait for its end; the history's entry. */
  async queue() {
    const before = new Set(Object.keys(await get('/api/history')));
    await this.run(() => /** @type {any} */ (window).app.queuePrompt(0, 1));
    const deadline = Date.now() + 60_000 * PATIENCE;
    while (Date.now() < deadline) {
      const history = await get('/api/history');
      const id = Object.keys(history).find((key) => !before.has(key));
      if (id && history[id].status?.status_str) return history[id];
      await new Promise((done) => setTimeout(done, 200));
    }
    throw new Error('The prompt did not end.');
  }

  /** @param {string} name @param {any} options */
  async shot(name, options = {}) {
    mkdirSync(SHOTS, { recursive: true });
    await this.page.screenshot({ path: `${SHOTS}${name.replace(/\W+/g, '-')}-${this.mode}.png`, ...options });
  }
}

/** @param {string} path */
export async function get(path) {
  return (await fetch(URL_ + path)).json();
}

/** @param {string} path @param {any} body */
export async function post(path, body) {
  const answer = await fetch(URL_ + path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer;
}

/** A graph of nodes {id, type, values, inputs} and links [from, slot, to, slot, type].
 * @param {any[]} nodes @param {any[][]} links */
export function graphOf(nodes, links = []) {
  return {
    last_node_id: 99,
    last_link_id: 99,
    version: 0.4,
    groups: [],
    config: {},
    extra: {},
    links: links.map((link, i) => [i + 1, ...link]),
    nodes: nodes.map(({ id, type, values, pos = [0, 0], size = [440, 520], ...rest }) => ({
      id,
      type,
      pos,
      size,
      flags: {},
      order: id,
      mode: 0,
      properties: {},
      widgets_values: values,
      inputs: links.flatMap(([, , to, slot, kind], i) =>
        to === id ? [{ name: slot, type: kind, link: i + 1 }] : [],
      ),
      outputs: [],
      ...rest,
    })),
  };
}
