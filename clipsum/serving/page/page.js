// The page: what is asked for, how far it is, and what went wrong.
import { byId, size, timeline } from "./draw.js";
import * as player from "./player.js";
import * as result from "./result.js";
import { summarize } from "./stream.js";

const STAGES = {
  queued: "Waiting for its turn",
  decoded: "Frames decoded, looking at them",
  encoded: "Looked at, writing the summary",
  summarized: "Summarised",
};
const TITLES = {
  unauthorized: "A key is needed",
  forbidden: "This key may not do that",
  access_denied: "This address may not be read",
  not_found: "There is no such video",
  rate_limited: "Too many requests",
  overloaded: "Too much to do just now",
  "": "Which video?",
  timeout: "It took too long",
  unreachable: "The service cannot be reached",
  connection_lost: "The connection was lost",
};
const NO_VIDEO = "Choose a video, drop one on this page, or give its address.";
let file = null;
let asked = null; // the video that is shown
let running = null; // aborts the request that is on its way

function choose(found) {
  file = found ?? null;
  byId("file").value = "";
  byId("chosen").hidden = !file;
  byId("name").textContent = file?.name ?? "";
  byId("size").textContent = file ? size(file.size) : "";
  byId("uri").disabled = Boolean(file);
  fail(null);
}

function fail(error) {
  byId("error").hidden = !error;
  if (!error) return;
  byId("error-title").textContent = TITLES[error.reason] ?? "No summary";
  byId("error-detail").textContent = sentence(error.detail);
  byId("error-reason").textContent = error.reason;
  byId("error-wait").textContent = error.waitS === null ? "" : `Ask again in ${Math.ceil(error.waitS)} s.`;
  if (error.reason === "unauthorized" || error.reason === "forbidden") {
    byId("more").open = true;
    byId("key").focus();
  } else byId("error").scrollIntoView({ block: "nearest" });
}

const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");

function say(words, stage) {
  byId("status").textContent = words;
  const steps = [...byId("steps").children];
  const reached = steps.findIndex((step) => step.dataset.stage === stage);
  steps.forEach((step, i) => step.classList.toggle("done", i <= reached));
}

function busy(isBusy) {
  for (const id of ["work", "steps", "cancel"]) byId(id).hidden = !isBusy;
  for (const id of ["start", "ask-start"]) byId(id).disabled = isBusy;
  byId("ask-start").textContent = isBusy ? "Asking…" : "Ask"; // the stages are told above, maybe out of sight
}

function cancelled() {
  byId("work").hidden = false;
  say("Cancelled.");
}

/** A button that is no more, or may not be pressed now, loses the keyboard's place: go on at another. */
function keepPlace(id) {
  const at = document.activeElement;
  if (at === document.body || at.disabled || !at.checkVisibility()) byId(id).focus({ preventScroll: true });
}

/** Ask, follow the stages, and give the row; null where it was cancelled or refused, which is then on the page.
 *
 * Meanwhile the keyboard is at `place`. */
async function ask(video, query, place, onText) {
  const held = (running = new AbortController());
  let isCancelled = false;
  fail(null);
  busy(true);
  keepPlace(place);
  say(video.file ? `Sending ${size(video.file.size)}` : "Asking");
  try {
    for await (const { name, data } of summarize({ ...video, query, key: byId("key").value.trim() }, held.signal)) {
      if (name === "stage") say(STAGES[data.stage] ?? data.stage, data.stage);
      else if (name === "text") onText(data.text);
      else if (name === "row") return data;
    }
  } catch (error) {
    isCancelled = error.name === "AbortError";
    if (!isCancelled) fail(error.reason ? error : { reason: "internal_error", detail: String(error), waitS: null });
  } finally {
    held.abort();
    busy(false);
    if (isCancelled) cancelled();
  }
  return null;
}

async function start() {
  const uri = byId("uri").value.trim();
  if (!file && !uri) {
    fail({ reason: "", detail: NO_VIDEO, waitS: null });
    return byId("file").focus();
  }
  asked = { file, uri: file ? "" : uri, transcript: byId("transcript").value.trim() };
  result.begin(file?.name ?? uri.split(/[?#]/)[0].split("/").pop() ?? uri);
  result.write("");
  player.open(asked);
  const row = await ask(asked, byId("query").value.trim(), "cancel", result.write);
  if (!row) {
    byId("result").hidden = true;
    player.close();
    return keepPlace("start");
  }
  result.show(row);
  player.know(row, timeline(row.frame_times_s, row.frame_scores, row.highlights, row.duration_s));
  byId("result").focus({ preventScroll: true });
  byId("result").scrollIntoView({ block: "start" });
}

async function askAnother() {
  const query = byId("another").value.trim();
  if (!query) return byId("another").focus();
  const row = await ask(asked, query, "another", () => {});
  keepPlace("another");
  if (!row) return;
  for (const each of row.queries ?? []) result.answer(each, row);
  byId("another").value = "";
}

const submits = (id, action) =>
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
submits("form", start);
submits("ask", askAnother);
byId("cancel").addEventListener("click", () => running?.abort());
byId("file").addEventListener("change", (event) => event.target.files.length && choose(event.target.files[0]));
byId("forget").addEventListener("click", () => {
  choose(null);
  byId("file").focus();
});
addEventListener("keydown", (event) => event.key === "Escape" && running?.abort());
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  });
}
