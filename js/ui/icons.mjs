// Line icons on a 24 x 24 grid, one path each.

/** @type {Record<string, string>} */
export const ICONS = {
  move: 'M5 3l6 16 2.2-6.8L20 10z',
  draw: 'M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 12h6M12 9v6',
  static: 'M12 3v8M8 3h8M9 3l-1 7-3 4h14l-3-4-1-7M12 14v7',
  undo: 'M8 5L4 9l4 4M4 9h10a5 5 0 010 10h-3',
  redo: 'M16 5l4 4-4 4M20 9H10a5 5 0 000 10h3',
  remove: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10 11v6M14 11v6',
  fit: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  panel: 'M4 5h16v14H4zM14 5v14M16.5 9h1.5M16.5 12h1.5',
  full: 'M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7',
  small: 'M20 10h-6V4M14 10l6-6M4 14h6v6M10 14l-6 6',
  help: 'M9.5 9a2.5 2.5 0 115 0c0 2-2.5 2-2.5 4.5M12 17v.5M12 3a9 9 0 100 18 9 9 0 000-18z',
  play: 'M7 4l13 8-13 8z',
  pause: 'M8 5v14M16 5v14',
  loop: 'M7 7h10a3 3 0 013 3v1M17 4l3 3-3 3M17 17H7a3 3 0 01-3-3v-1M7 20l-3-3 3-3',
  picture: 'M4 5h16v14H4zM4 16l5-5 5 5 2-2 4 4M15.5 9.5h.5',
  reseed: 'M4 12a8 8 0 0114-5l2 2M20 4v5h-5M20 12a8 8 0 01-14 5l-2-2M4 20v-5h5',
  eye: 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 100 6 3 3 0 000-6z',
  shut: 'M3 3l18 18M6 7c-2.5 2-4 5-4 5s4 7 10 7c2 0 3.5-.6 5-1.5M10 5C16 4 22 12 22 12s-1 2-2.7 3.5',
  linear: 'M4 20L20 4',
  hold: 'M4 20h12V4h4',
  in: 'M4 20C13 20 17 14 20 4',
  out: 'M4 20C7 10 11 4 20 4',
  inout: 'M4 20C14 20 10 4 20 4',
};
