// A drawing for what must stay quick: 200 points of 49 keys each.

export const FRAMES = 49;

const round = (/** @type {number} */ x) => Math.round(x * 1e4) / 1e4;

/** Keys of a point on a small wave. @param {number} n @returns {[number, number, number, number][]} */
const keysOf = (n) =>
  Array.from({ length: FRAMES }, (_, f) => [
    f,
    round(0.1 + (0.8 * (n % 20)) / 20 + 0.02 * Math.sin(f / 5)),
    round(0.1 + (0.8 * Math.floor(n / 20)) / 10 + 0.02 * Math.cos(f / 7 + n)),
    1,
  ]);

/** @param {number} count @param {(n: number) => number[][]} keys */
export function crowd(count = 200, keys = keysOf) {
  return {
    choreo: 'points',
    version: 1,
    space: { w: 832, h: 480, frames: FRAMES, fps: 16 },
    source: { kind: 'none' },
    objects: [{ id: 'o1', name: 'cat', color: '#e6194b' }],
    points: Array.from({ length: count }, (_, n) => ({
      id: `p${n}`,
      o: 'o1',
      neg: 0,
      interp: 'linear',
      k: keys(n),
    })),
  };
}

/** A node with a drawing of points in its editor. @param {any} drawing */
export const pointNode = (drawing) => ({
  id: 1,
  type: 'ChoreoPointPicker',
  values: [832, 480, FRAMES, JSON.stringify(drawing)],
});
