// Entries of untrusted JSON, checked: every sentence says where, what it is and what it must be.

/** What the reader could not accept; the message is for the artist. */
export class DrawingError extends Error {}

/** @param {string} message @returns {never} */
export function refuse(message) {
  throw new DrawingError(message);
}

/** A value as a sentence shows it: quoted if text, shortened if long. @param {any} value */
export function shown(value) {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

/** A number as a person writes it: at most six digits. @param {number} value */
export const brief = (value) => String(Number(value.toPrecision(6)));

/** The value, which must be a JSON object. @param {any} value @param {string} where */
export function mapping(value, where) {
  const good = value !== null && typeof value === 'object' && !Array.isArray(value);
  return good ? value : refuse(`${where} must be a JSON object {…}, not ${shown(value)}.`);
}

/** The list under a name, of at most `most` entries.
 * @param {any} entry @param {string} name @param {string} where @param {number} most @returns {any[]} */
export function rows(entry, name, where, most) {
  const value = entry[name] ?? [];
  if (!Array.isArray(value)) refuse(`${where}: "${name}" must be a list […], not ${shown(value)}.`);
  if (value.length > most)
    refuse(`${where}: "${name}" has ${value.length} entries; at most ${most} are read.`);
  return value;
}

/** A finite number from low to high. @param {any} value @param {string} name @param {string} where
 * @param {number} low @param {number} high @returns {number} */
export function number(value, name, where, low, high) {
  if (value === undefined || value === null) {
    refuse(`${where}: ${name} is missing; give a number from ${low} to ${high}.`);
  }
  if (typeof value === 'number' && value >= low && value <= high) return value;
  return refuse(`${where}: ${name} = ${shown(value)} must be a number from ${low} to ${high}.`);
}

/** A whole number from low to high. @param {any} value @param {string} name @param {string} where
 * @param {number} low @param {number} high @returns {number} */
export function whole(value, name, where, low, high) {
  if (Number.isInteger(number(value, name, where, low, high))) return value;
  return refuse(`${where}: ${name} = ${value} must be a whole number.`);
}

/** A list of numbers, one within each [low, high] of `ranges`.
 * @param {any} value @param {string} name @param {string} where @param {[number, number][]} ranges */
export function numbers(value, name, where, ranges) {
  if (!Array.isArray(value) || value.length !== ranges.length) {
    refuse(`${where}: ${name} = ${shown(value)} must be a list of ${ranges.length} numbers.`);
  }
  ranges.forEach(([low, high], i) => number(value[i], `${name}, entry ${i + 1}`, where, low, high));
  return value;
}

/** The word under a name, one of the options; the first one where it is left out.
 * @param {any} entry @param {string} name @param {string} where @param {string[]} options
 * @returns {string} */
export function choice(entry, name, where, options) {
  const value = name in entry ? entry[name] : options[0];
  if (options.includes(value)) return value;
  return refuse(`${where}: ${name} = ${shown(value)} must be one of ${options.join(', ')}.`);
}

/** The id of an entry, not taken yet. @param {any} entry @param {string} where @param {Set<string>} taken */
export function identifier(entry, where, taken) {
  const value = entry.id;
  if (typeof value !== 'string' || !/^[a-z0-9_-]{1,24}$/.test(value)) {
    refuse(`${where}: id = ${shown(value)} must be 1 to 24 characters of a-z, 0-9, _ and -.`);
  }
  if (taken.has(value)) refuse(`${where}: the id "${value}" is used twice; ids must be unique.`);
  taken.add(value);
  return value;
}
