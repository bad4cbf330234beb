// Pictures for the editor: one still, a video element, frames made by the server, or a sprite of the last
// run.

/** @typedef {{kind: string, label: string, w: number, h: number, count: number, fps: number,
 *   cropped?: boolean, frame: (i: number) => Promise<CanvasImageSource>, close: () => void, strip?: () =>
 * Promise<CanvasImageSource[]>}} Source */
/** @typedef {{w: number, h: number, frames: number, fps: number, codec?: string, vfr?: boolean}} Probe */

const KEPT = 64;
const WAIT = 8000; // ms until an element that says nothing is given up
const SETTLE = 500; // ms for the picture that was sought to replace the former one

/** The most recently used pictures, at most KEPT of them and 128 MB. */
export class Recent {
  constructor(budget = 128e6) {
    this.budget = budget;
    /** @type {Map<number, any>} */ this.items = new Map();
  }

  /** @param {number} i */
  get(i) {
    const item = this.items.get(i);
    if (item !== undefined) {
      this.items.delete(i);
      this.items.set(i, item);
    }
    return item;
  }

  /** @param {number} i @param {any} item */
  set(i, item) {
    this.items.set(i, item);
    const most = Math.max(
      2,
      Math.min(KEPT, Math.floor(this.budget / (4 * (item.width || 1) * (item.height || 1)))),
    );
    for (const [key, old] of this.items) {
      if (this.items.size <= most) break;
      this.items.delete(key);
      old.close?.();
    }
  }

  clear() {
    for (const item of this.items.values()) item.close?.();
    this.items.clear();
  }
}

/** The picture frame that a frame of the timeline shows. @param {number} frame @param {number} lastFrame
 * @param {number} count pictures */
export function pictureAt(frame, lastFrame, count) {
  return count <= 1 || !lastFrame ? 0 : Math.round((frame * (count - 1)) / lastFrame);
}

/** @param {string} url @returns {Promise<HTMLImageElement>} */
async function picture(url) {
  const image = new Image();
  image.decoding = 'async';
  image.src = url;
  await image.decode();
  return image;
}

/** @param {string} url @param {string} label @returns {Promise<Source>} */
export async function openImage(url, label) {
  const image = await picture(url);
  const [w, h] = [image.naturalWidth, image.naturalHeight];
  return { kind: 'image', label, w, h, count: 1, fps: 0, frame: async () => image, close() {} };
}

/** Frames of a video that the browser plays, exact: it seeks to the middle of each, and waits until it is
 * shown. @param {string} url @param {string} label @param {Probe | null} probe
 * @param {number} fps where nothing is known @returns {Promise<Source>} */
export async function openVideo(url, label, probe, fps) {
  if (!('VideoFrame' in globalThis)) throw new Error('this browser does not tell which frame it shows');
  const video = Object.assign(document.createElement('video'), {
    muted: true,
    preload: 'auto',
    playsInline: true,
    src: url,
  });
  const close = () => {
    video.removeAttribute('src');
    video.load();
  };
  try {
    await heard(video, 'loadeddata');
  } catch (error) {
    close();
    throw error;
  }
  const rate = probe?.fps || fps;
  const count = probe?.frames || Math.max(1, Math.round(video.duration * rate));
  const frame = async (/** @type {number} */ i) => {
    for (const part of [0.5, 0.4, 0.6]) {
      const time = Math.min((i + part) / rate, Math.max(video.duration - 1e-3, 0));
      video.currentTime = time;
      await heard(video, 'seeked');
      const shown = await settled(video, time, probe ? 1 / rate : Infinity);
      if (shown) return createImageBitmap(shown).finally(() => shown.close());
    }
    throw new Error(`the browser does not show frame ${i}`);
  };
  return { kind: 'video', label, w: video.videoWidth, h: video.videoHeight, count, fps: rate, frame, close };
}

/** Frames that the pack's own routes decode. @param {(path: string) => string} url @param {string} name
 * @param {Probe} probe @returns {Source} */
export function openServer(url, name, probe) {
  const query = `name=${encodeURIComponent(name)}`;
  const strip = async () => {
    const sprite = await picture(url(`/choreo/v1/strip?${query}&n=16&h=36`));
    return tiles(sprite, Math.min(16, probe.frames), Math.min(16, probe.frames), sprite.naturalHeight);
  };
  return {
    kind: 'server',
    label: name,
    w: probe.w,
    h: probe.h,
    count: probe.frames,
    fps: probe.fps,
    strip,
    frame: (i) => picture(url(`/choreo/v1/frame?${query}&i=${i}&max=1024`)),
    close() {},
  };
}

/** Frames that the node showed in the last run. @param {string} url @param {any} entry
 * @returns {Promise<Source>} */
export async function openSprite(url, entry) {
  const sprite = await picture(url);
  const all = await tiles(sprite, entry.n, entry.cols, entry.h, entry.w);
  return {
    kind: 'run',
    label: '',
    w: entry.w,
    h: entry.h,
    count: entry.n,
    fps: 0,
    frame: async (i) => createImageBitmap(all[i]),
    close() {},
  };
}

/** @param {HTMLImageElement} sprite @param {number} n @param {number} cols @param {number} h
 * @param {number} w
 * @returns {Promise<ImageBitmap[]>} */
function tiles(sprite, n, cols, h, w = sprite.naturalWidth / cols) {
  return Promise.all(
    Array.from({ length: n }, (_, i) =>
      createImageBitmap(sprite, (i % cols) * w, Math.floor(i / cols) * h, w, h),
    ),
  );
}

/** @param {HTMLVideoElement} video @param {string} event @returns {Promise<void>} */
function heard(video, event) {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    const end = (/** @type {() => void} */ how) => {
      stop.abort();
      clearTimeout(timer);
      how();
    };
    const timer = setTimeout(() => end(() => reject(new Error(`no ${event}`))), WAIT);
    video.addEventListener(event, () => end(resolve), { signal: stop.signal });
    video.addEventListener('error', () => end(() => reject(new Error('cannot be played'))), {
      signal: stop.signal,
    });
  });
}

/** The picture at a time, or null when the element does not show it: on a busy machine it still shows the
 * former one when it says that it has sought. @param {HTMLVideoElement} video @param {number} time
 * @param {number} length seconds that a picture stays at most */
async function settled(video, time, length) {
  for (const end = performance.now() + SETTLE; performance.now() < end; ) {
    const shown = new VideoFrame(video);
    const since = time - shown.timestamp / 1e6; // for how long it has been on, at that time
    if (since > -1e-3 && since < length + 1e-3) return shown;
    shown.close();
    await new Promise((next) => setTimeout(next, 5));
  }
  return null;
}

/** Shows frames of a source: cached ones at once, others when they come; the newest request wins. */
export class Frames {
  /** @param {(picture: CanvasImageSource | null) => void} show @param {(message: string) => void} fail */
  constructor(show, fail) {
    this.show = show;
    this.fail = fail;
    this.recent = new Recent();
    /** @type {Source | null} */ this.source = null;
    this.wanted = -1;
    this.busy = false;
  }

  /** @param {Source | null} source */
  use(source) {
    this.source?.close();
    this.recent.clear();
    this.source = source;
    this.wanted = -1;
    if (!source) this.show(null);
  }

  /** @param {number} i */
  async want(i) {
    const { source } = this;
    if (!source) return;
    this.wanted = i;
    const known = this.recent.get(i);
    if (known) return this.show(known);
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.source === source && !this.recent.get(this.wanted)) {
        const now = this.wanted;
        const shown = /** @type {any} */ (await source.frame(now));
        if (this.source === source) this.recent.set(now, shown);
        else shown.close?.(); // of a source that is no longer shown
      }
      if (this.source === source) this.show(this.recent.get(this.wanted));
    } catch (error) {
      if (this.source === source) this.fail(/** @type {Error} */ (error).message);
    } finally {
      this.busy = false;
      if (this.source && this.source !== source && this.wanted >= 0) this.want(this.wanted);
    }
  }
}
