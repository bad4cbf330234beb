// The tools by the kind of drawing they make.

import { boxes } from './boxes.mjs';
import { mask } from './mask.mjs';
import { points } from './points.mjs';
import { strokes } from './strokes.mjs';

/** @type {Record<string, any>} */
export const TOOLS = { boxes, points, strokes, mask };
