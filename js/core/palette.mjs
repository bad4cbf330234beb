// Colours of objects: apart from each other also for colour-blind eyes; names and shapes tell the rest.

export const COLORS = [
  '#e6194b',
  '#4aa8ff',
  '#ffe119',
  '#3cb44b',
  '#f58231',
  '#b66cff',
  '#42d4f4',
  '#f032e6',
  '#bfef45',
  '#fabed4',
];
