// Small parts that are drawn more than once: elements, times, the score curve as in the report.
const WIDTH = 1000;
const HEIGHT = 56;
const MAX_POINTS = 240;

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; text stays text. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export const jpeg = (thumbnail) => `data:image/jpeg;base64,${thumbnail.jpeg}`;

/** A place in a video: 75.3 -> 1:15, 3700 -> 1:01:40. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const pair = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${pair(minutes)}:${pair(whole % 60)}` : `${minutes}:${pair(whole % 60)}`;
}

/** Bytes in powers of a thousand. */
export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

/** Seconds with two significant digits. */
export const seconds = (value) => `${Number(value.toPrecision(2))} s`;

/** The curve of `scores` at `times` in seconds, over `marks` of {start_s, end_s}; any of them may be null.
 *  It fills the height, unless `isWhole`: then that stands for 0 to 1. */
export function timeline(times, scores, marks, duration, isWhole = false) {
  const drawing = vector("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "curve", "aria-hidden": "true" });
  const place = (time) => Math.min(Math.max(time / duration, 0), 1) * WIDTH;
  for (const { start_s, end_s } of marks ?? []) {
    const [left, right] = [Math.min(place(start_s), WIDTH - 3), place(end_s)];
    drawing.append(vector("rect", { class: "mark", x: left, y: 0, width: Math.max(right - left, 3), height: HEIGHT }));
  }
  const points = scores?.length === times?.length ? curve(times, scores ?? [], place, isWhole) : [];
  if (points.length > 1) {
    const line = `M${points.map((point) => point.join(" ")).join("L")}`;
    const [first, last] = [points[0][0], points[points.length - 1][0]];
    drawing.append(vector("path", { class: "area", d: `${line}L${last} ${HEIGHT}L${first} ${HEIGHT}Z` }));
    drawing.append(vector("path", { class: "line", d: line }));
  }
  drawing.append(vector("path", { class: "base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }));
  return drawing;
}

function curve(times, scores, place, isWhole) {
  const pairs = scores.map((score, i) => [times[i], score]).filter(([, score]) => Number.isFinite(score));
  pairs.sort((a, b) => a[0] - b[0]);
  const group = Math.ceil(pairs.length / MAX_POINTS) || 1;
  const kept = [];
  for (let i = 0; i < pairs.length; i += group) kept.push(pairs.slice(i, i + group).reduce((a, b) => (b[1] > a[1] ? b : a)));
  const values = isWhole ? [0, 1] : kept.map(([, score]) => score);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const height = (score) => HEIGHT - 3 - ((HEIGHT - 6) * (score - low)) / (high - low || 1);
  return kept.map(([time, score]) => [place(time).toFixed(1), height(score).toFixed(1)]);
}

function vector(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
