// What is shown of a row: summary, highlights, chapters, answers, costs. A column that is null is left out.
import { byId, clock, element, jpeg, seconds, size, timeline } from "./draw.js";
import { jump } from "./player.js";

const EVIDENCE = { both: "words and pictures", text: "words only", frames: "pictures only", none: "no evidence" };
let address = null;

/** An empty result, under the name of the video. */
export function begin(name) {
  byId("title").replaceChildren(element("bdi", {}, name));
  for (const id of ["summary", "duration", "warnings", "highlights", "chapters", "answers", "facts"]) byId(id).replaceChildren();
  for (const id of ["evidence", "highlights-part", "chapters-part", "ask-part", "facts-part"]) byId(id).hidden = true;
  byId("result").hidden = false;
}

/** The summary as far as it goes. */
export function write(text, isDone = false) {
  byId("summary").textContent = text || (isDone ? "No summary: there was nothing to make one from." : "");
  byId("summary").classList.toggle("none", isDone && !text);
  byId("summary").classList.toggle("growing", !isDone);
  byId("summary").ariaBusy = String(!isDone); // so that it is read out once, and whole
}

/** All of a row that is no player. */
export function show(row) {
  write(row.summary, true);
  byId("duration").textContent = row.duration_s ? clock(row.duration_s) : "";
  byId("evidence").textContent = EVIDENCE[row.evidence] ?? "";
  byId("evidence").hidden = !(row.evidence in EVIDENCE);
  byId("warnings").replaceChildren(...row.warnings.map((words) => element("p", { className: "warning", dir: "auto" }, words)));
  list("highlights", row.highlights?.map((each) => moment(each, row.thumbnails)), "highlights-part");
  list("chapters", row.chapters?.map(chapter), "chapters-part");
  byId("ask-part").hidden = false;
  for (const query of row.queries ?? []) answer(query, row);
  list("facts", facts(row), "facts-part");
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(new Blob([JSON.stringify(row, null, 2)], { type: "application/json" }));
  byId("json").href = address;
}

/** Where a question is answered; `row` is the one that says it. */
export function answer(query, row) {
  const head = element("p", {}, element("q", { dir: "auto" }, query.query));
  const doubt = { false: "not found here", null: "best guess: this model cannot tell whether it is here" }[query.matched];
  if (doubt) head.append(" ", element("span", { className: "badge" }, doubt));
  const part = element("section", { className: "query" }, head);
  if (query.frame_scores && row.duration_s) {
    part.append(timeline(row.frame_times_s, query.frame_scores, query.highlights, row.duration_s, query.matched === false));
  }
  const moments = query.highlights?.map((each) => moment(each, [])) ?? [];
  if (moments.length) part.append(element("p", { className: "moments" }, ...moments));
  byId("answers").append(part);
}

function list(id, parts, holder = id) {
  byId(id).replaceChildren(...(parts ?? []));
  byId(holder).hidden = !parts?.length;
}

function moment({ start_s, end_s }, thumbnails) {
  const when = `${clock(start_s)}–${clock(end_s)}`;
  const button = element("button", { type: "button", className: "moment", ariaLabel: `Play from ${when}` });
  const picture = thumbnails.find(({ time_s }) => time_s >= start_s && time_s <= end_s);
  if (picture) button.append(element("img", { src: jpeg(picture), alt: "" }));
  button.append(element("span", { className: "time" }, when));
  button.addEventListener("click", () => jump(start_s));
  return button;
}

function chapter({ start_s, title }) {
  const button = element("button", { type: "button", className: "chapter" });
  button.append(element("span", { className: "time" }, clock(start_s)), element("span", { dir: "auto" }, title));
  button.addEventListener("click", () => jump(start_s));
  return element("li", {}, button);
}

function facts(row) {
  const known = [
    ["Frames looked at", row.frame_times_s.length || null],
    ["Words from", row.transcript_source],
    ["Read", row.size_bytes && `${size(row.bytes_read)} of ${size(row.size_bytes)}`],
    ["Decoding", row.decode_cpu_s && `${seconds(row.decode_cpu_s)} of a processor`],
    ["Encoding", row.encode_s && seconds(row.encode_s)],
    ["Writing", row.generate_s && seconds(row.generate_s)],
    ["Model", row.bundle_id],
  ];
  return known.filter(([, value]) => value).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]);
}
