// The tools by the kind of drawing they make.

import { boxes } from './boxes.mjs';

/** @type {Record<string, any>} */
export const TOOLS = { boxes };
