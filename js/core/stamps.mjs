// Small pictures of dots, keys and words, drawn once and copied from then on: hundreds of them a frame stay
// quick. Every line is doubled (dark below, colour above), so it shows on any picture.

const DARK = 'rgba(8,10,14,.72)';
const FONT = '11px Inter, system-ui, sans-serif';
const KEPT = 400;

/** @typedef {{color?: string, width?: number, dash?: number[], alpha?: number, fill?: string, closed?:
 * boolean}} Style */

/** @type {Map<string, OffscreenCanvas>} */
const STAMPS = new Map();

/** @param {string} key @param {() => OffscreenCanvas} make */
function kept(key, make) {
  let stamp = STAMPS.get(key);
  if (!stamp) {
    if (STAMPS.size >= KEPT) STAMPS.clear();
    STAMPS.set(key, (stamp = make()));
  }
  return stamp;
}

/** A canvas of a size in CSS pixels, and its context, scaled. @param {number} width @param {number} height
 * @param {number} ratio @returns {[OffscreenCanvas, OffscreenCanvasRenderingContext2D]} */
function sheet(width, height, ratio) {
  const canvas = new OffscreenCanvas(Math.ceil(width * ratio), Math.ceil(height * ratio));
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.scale(ratio, ratio);
  return [canvas, context];
}

/** A shape in the middle of a square picture. @param {string} shape dot, diamond (a key) or cross
 * @param {number} radius CSS pixels @param {Style} style @param {number} ratio pixels per CSS pixel */
export function shapeStamp(shape, radius, style, ratio) {
  const { color = '#fff', width = 1.5, fill = '' } = style;
  return kept(`${shape} ${radius} ${color} ${width} ${fill} ${ratio}`, () => {
    const side = 2 * (radius + width + 3);
    const [canvas, context] = sheet(side, side, ratio);
    const middle = canvas.width / 2 / ratio;
    doubled(context, outline(shape, middle, radius), { color, width, fill });
    return canvas;
  });
}

/** @param {string} shape @param {number} c the middle @param {number} r */
function outline(shape, c, r) {
  const path = new Path2D();
  if (shape === 'dot') path.arc(c, c, r, 0, 7);
  else if (shape === 'diamond') path.addPath(new Path2D(`M${c} ${c - r}l${r} ${r}l-${r} ${r}l-${r} -${r}z`));
  else path.addPath(new Path2D(`M${c - r} ${c - r}l${2 * r} ${2 * r}M${c - r} ${c + r}l${2 * r} ${-2 * r}`));
  return path;
}

/** Words; their base line is at 14 CSS pixels, their left edge at 2. @param {string} text
 * @param {string} color
 * @param {number} ratio */
export function textStamp(text, color, ratio) {
  return kept(`text ${color} ${ratio} ${text}`, () => {
    const [, ruler] = sheet(1, 1, 1);
    ruler.font = FONT;
    const [canvas, context] = sheet(ruler.measureText(text).width + 5, 19, ratio);
    context.font = FONT;
    context.lineWidth = 3;
    context.lineJoin = 'round';
    context.strokeStyle = DARK;
    context.strokeText(text, 2, 14);
    context.fillStyle = color;
    context.fillText(text, 2, 14);
    return canvas;
  });
}

/** A path, dark below and coloured above.
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context @param {Path2D} path
 * @param {Style} style */
export function doubled(context, path, { color = '#fff', width = 1.5, dash = [], alpha = 1, fill } = {}) {
  context.globalAlpha = alpha;
  context.lineJoin = context.lineCap = 'round';
  context.strokeStyle = DARK;
  context.lineWidth = width + 2;
  context.setLineDash([]);
  context.stroke(path);
  if (fill) {
    context.fillStyle = fill;
    context.fill(path);
  }
  if (width) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.stroke(path);
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}
