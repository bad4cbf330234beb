// Chooses where the pictures come from, in the order: own upload, the file upstream (played by the
// browser, else
// decoded by the pack's routes), the last run, nothing.

import { openImage, openServer, openSprite, openVideo } from '../core/frames.mjs';
import { fileOf, json, url, viewUrl } from './adapter.mjs';
import { upstreamFile } from './upstream.mjs';

/** @typedef {import('../core/frames.mjs').Source} Source */

/** What would be opened, as a text that changes when it does. @param {any} node @param {any} docSource
 * @param {any} sprite */
export function sourceKey(node, docSource, sprite) {
  const found = upstreamFile(node, 'image');
  return JSON.stringify([
    docSource?.name,
    found?.name,
    found?.start,
    found?.step,
    found?.fps,
    sprite?.filename,
  ]);
}

/** The first source that opens, or null; `problems` gets why others did not. @param {any} node
 * @param {any} docSource @param {any} sprite @param {number} fps @param {string[]} problems
 * @returns {Promise<Source | null>} */
export async function openSource(node, docSource, sprite, fps, problems) {
  const found = upstreamFile(node, 'image');
  const own = docSource?.name && ['video', 'image'].includes(docSource.kind) ? docSource : null;
  const upstream = async () => ({ ...(await openFile(found, fps)), cropped: found?.cropped });
  const run = sprite && (() => openSprite(viewUrl(sprite), sprite));
  const attempts = [
    own && (() => openFile(own, fps)),
    ...(found?.cropped ? [run, upstream] : [found && upstream, run]),
  ];
  for (const attempt of attempts) {
    try {
      if (attempt) return await attempt();
    } catch (error) {
      problems.push(/** @type {Error} */ (error).message);
    }
  }
  return null;
}

/** @param {any} file @param {number} fps @returns {Promise<Source>} */
async function openFile(file, fps) {
  if (file.path) return openImage(url(file.path), '');
  const { filename: label, type } = fileOf(file.name);
  const address = viewUrl(fileOf(file.name));
  if (file.kind === 'image') return openImage(address, label);
  let probe = null;
  let reason = null;
  try {
    probe = await json(`/choreo/v1/probe?name=${encodeURIComponent(file.name)}`);
  } catch (error) {
    reason = error;
  }
  try {
    if (probe?.vfr || probe?.rotation || type === 'choreo')
      throw new Error('its frames come from the server');
    const video = await openVideo(address, label, probe, file.fps || fps);
    if (!probe) return ranged(video, file);
    const { strip, frame } = openServer(url, file.name, probe);
    return ranged({ ...video, strip, frame: (i) => video.frame(i).catch(() => frame(i)) }, file);
  } catch (error) {
    if (!probe) throw reason ?? error;
    return ranged({ ...openServer(url, file.name, probe), label }, file);
  }
}

/** The frames from `start` on, every `step`-th. @param {Source} source @param {any} file @returns {Source} */
function ranged(source, { start = 0, step = 1 }) {
  if (!(start > 0) && !(step > 1)) return source;
  const count = Math.max(1, Math.ceil((source.count - start) / step));
  return {
    ...source,
    count,
    strip: undefined,
    frame: (i) => source.frame(Math.min(start + i * step, source.count - 1)),
  };
}
