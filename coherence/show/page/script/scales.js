// Scales, ticks and points of a curve

// Takes a value to its place between two ends on the screen; `back` takes a place to its value.
function scale([low, high], [from, to], log = false) {
  const bend = log ? Math.log10 : (value) => value, [first, last] = [bend(low), bend(high)];
  const place = (value) => from + (to - from) * (bend(value) - first) / (last - first || 1);
  place.back = (at) => {
    const found = first + (at - from) / (to - from || 1) * (last - first);
    return log ? 10 ** found : found;
  };
  return place;
}

// Round numbers between two ends, `most` of them at most; of whole things no halves.
function roundTicks([low, high], most, whole = false) {
  const rough = Math.max((high - low) / Math.max(1, most), whole ? 1 : 1e-9), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.9999);
  const first = Math.ceil(low / step - 1e-9), count = Math.floor(high / step + 1e-9) - first;
  return Array.from({ length: Math.max(0, count + 1) }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

// Of a log axis: 1, 2 and 5 of each power of ten; where that is too few, round numbers.
function logTicks([low, high], most) {
  if (!(low > 0) || !(high < Infinity)) return [];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of [1, 2, 5]) found.push(Number((digit * 10 ** power).toPrecision(6)));
  const inside = found.filter((each) => each >= low && each <= high);
  return inside.length > 2 ? inside : roundTicks([low, high], most).filter((each) => each > 0);
}

// Points are {first, last, x, n, mean, low, high}: steps, where they are drawn, and n values. Of a point without values
// all three are null; of an outline, of which only the lowest and the highest are known, the mean is.

function together(points) {
  const there = points.filter((each) => each.low !== null), n = there.reduce((sum, each) => sum + each.n, 0);
  const [first, last] = [points[0].first, points.at(-1).last];
  if (!there.length) return { first, last, x: (first + last) / 2, n: 0, mean: null, low: null, high: null };
  const known = there.every((each) => each.mean !== null);
  return { first, last, x: (first + last) / 2, n, low: Math.min(...there.map((each) => each.low)),
    high: Math.max(...there.map((each) => each.high)),
    mean: known ? there.reduce((sum, each) => sum + each.n * each.mean, 0) / n : null };
}

// As many points as can be told apart on the screen.
function coarse(points, most) {
  const size = Math.ceil(points.length / most);
  if (size < 2) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, place) =>
    together(points.slice(place * size, (place + 1) * size)));
}

// Each mean over its neighbours as well, `reach` on either side.
function smooth(points, reach) {
  if (!reach) return points;
  const sums = [0], counts = [0];
  for (const { n, mean } of points) {
    sums.push(sums.at(-1) + (mean === null ? 0 : n * mean));
    counts.push(counts.at(-1) + (mean === null ? 0 : n));
  }
  return points.map((point, place) => {
    const from = Math.max(0, place - reach), to = Math.min(points.length, place + reach + 1);
    return point.mean === null ? point : { ...point, mean: (sums[to] - sums[from]) / (counts[to] - counts[from]) };
  });
}

// Those within two ends, and the next on either side, so that a line goes on to the edge.
function within(points, [low, high]) {
  let from = points.findIndex((each) => each.last >= low), to = points.length;
  if (from < 0) from = points.length;
  while (to > from && points[to - 1].first > high) to--;
  return points.slice(Math.max(0, from - 1), to + 1);
}

function closest(points, x) {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].x < x) low = middle + 1; else high = middle;
  }
  return low > 0 && x - points[low - 1].x < points[low].x - x ? points[low - 1] : points[low];
}

// A small curve without axes, for a cell of a table.
function plain(lines, across, width, height, label) {
  const values = lines.flatMap((line) => line.y).filter(Number.isFinite);
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const x = scale(across, [4, width - 4]), y = scale([low, high], [height - 4, 4]);
  return el("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", preserveAspectRatio: "none",
    "aria-label": `${label}: ${number(low)} to ${number(high)}` },
  lines.map((line) => el("path", { class: `line ${line.colour}`,
    d: pen(line.x.map((step, place) => [x(step), Number.isFinite(line.y[place]) ? y(line.y[place]) : null])) })));
}

// The path through some places; where one has no height the pen is lifted.
function pen(places) {
  let made = "", down = false;
  for (const [x, y] of places) {
    if (y !== null) made += `${down ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    down = y !== null;
  }
  return made;
}
