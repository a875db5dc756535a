// Where one watches: the player, or where the browser cannot play the video, the frames that were looked at.
import { byId, clock, element, jpeg } from "./draw.js";

const STEP_S = 5;
const video = byId("video");
const strip = byId("strip");
const scores = byId("scores");
let now = 0;
let duration = 0;
let address = null; // of a file of this page
let isPlayable = false;

/** Show a file of the user's, or an https address; any other kind of address has frames alone, once they are there. */
export function open({ file, uri }) {
  close();
  const isOpen = file || uri.startsWith("https://");
  if (!isOpen) return because("A browser cannot open this address; these are frames of the video.");
  address = file ? URL.createObjectURL(file) : null;
  isPlayable = true;
  video.src = address ?? uri;
  video.hidden = false;
}

/** Forget the video and all that was shown of it. */
export function close() {
  video.pause();
  video.removeAttribute("src");
  video.load();
  if (address) URL.revokeObjectURL(address);
  address = null;
  isPlayable = false;
  now = duration = 0;
  strip.replaceChildren();
  for (const part of [video, strip, byId("unplayable"), scores, byId("ends")]) part.hidden = true;
}

/** Its length and its frames are known: draw the time line, with a `drawing` of `marks` and the curve on it. */
export function know(row, drawing) {
  duration = row.duration_s ?? 0;
  strip.replaceChildren(...row.thumbnails.map(frame));
  strip.hidden = isPlayable || !row.thumbnails.length;
  scores.replaceChildren(drawing, element("i", { className: "head" }));
  scores.ariaValueMax = String(Math.round(duration));
  byId("end").textContent = clock(duration);
  scores.hidden = byId("ends").hidden = !duration;
  show(now);
}

/** Go to a time in seconds: the player plays from there, or the nearest frame is marked. */
export function jump(seconds, plays = true) {
  const place = Math.min(Math.max(seconds, 0), duration || seconds);
  if (isPlayable) {
    video.currentTime = place;
    if (plays) video.play().catch(() => {});
  }
  show(place);
  const nearest = strip.querySelector("[aria-current]");
  if (!strip.hidden && nearest) nearest.scrollIntoView({ block: "nearest", inline: "center" });
}

function show(place) {
  now = place;
  scores.ariaValueNow = String(Math.round(place));
  scores.ariaValueText = `${clock(place)} of ${clock(duration)}`;
  scores.querySelector(".head")?.style.setProperty("left", `${duration ? (100 * place) / duration : 0}%`);
  const frames = [...strip.children];
  const gap = (each) => Math.abs(each.dataset.time - place);
  const nearest = frames.reduce((best, each) => (best && gap(best) <= gap(each) ? best : each), null);
  for (const each of frames) each === nearest ? each.setAttribute("aria-current", "true") : each.removeAttribute("aria-current");
}

function frame(thumbnail) {
  const picture = element("img", { src: jpeg(thumbnail), alt: `Frame at ${clock(thumbnail.time_s)}` });
  const time = element("span", { className: "when", ariaHidden: "true" }, clock(thumbnail.time_s));
  const button = element("button", { type: "button", className: "frame" }, picture, time);
  button.dataset.time = thumbnail.time_s;
  button.addEventListener("click", () => jump(thumbnail.time_s));
  return button;
}

function because(words) {
  isPlayable = false;
  video.hidden = true;
  strip.hidden = !strip.children.length;
  byId("unplayable").textContent = words;
  byId("unplayable").hidden = false;
}

video.addEventListener("error", () => {
  if (isPlayable) because("This browser cannot play this kind of video; these are frames of it.");
});
video.addEventListener("loadedmetadata", () => {
  // sound without pictures: the container is known here, the codec is not
  if (isPlayable && !video.videoWidth) because("This browser has no decoder for the pictures of this video; these are frames of it.");
});
video.addEventListener("timeupdate", () => isPlayable && show(video.currentTime));
scores.addEventListener("pointerdown", (event) => {
  const box = scores.getBoundingClientRect();
  jump((duration * (event.clientX - box.left)) / box.width);
});
scores.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === " " || event.key === "Enter") {
    event.preventDefault();
    if (isPlayable) video.paused ? jump(now) : video.pause();
  }
  const places = { ArrowRight: now + STEP_S, ArrowUp: now + STEP_S, ArrowLeft: now - STEP_S, ArrowDown: now - STEP_S, Home: 0, End: duration };
  if (!(event.key in places)) return;
  event.preventDefault();
  jump(places[event.key], false);
});
