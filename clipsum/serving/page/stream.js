// One request to the service, and what it says while it works.

/** The service said no: `status` (0 where there was no answer), `reason` and `detail` in words, seconds to wait or null. */
export class Refused extends Error {
  constructor(status, reason, detail, waitS) {
    super(detail);
    Object.assign(this, { status, reason, detail, waitS });
  }
}

/** The events of a summary: {name: "stage" | "text" | "row", data}. Throws Refused; and AbortError after an abort. */
export async function* summarize({ file, uri, query, transcript, key }, signal) {
  const response = await send({ file, uri, query, transcript }, key, signal);
  if (!response.ok) throw await refusal(response);
  for await (const { name, data } of events(response.body)) {
    if (name === "error") throw new Refused(200, data.error.reason, data.error.detail, data.retry_after_s ?? null);
    if (name === "row" && data.status === "failed") throw new Refused(200, data.reason, data.detail ?? data.reason, null);
    yield { name, data };
    if (name === "row") return;
  }
  throw new Refused(0, "connection_lost", "The answer broke off before its end.", null);
}

async function send({ file, ...rest }, key, signal) {
  const fields = Object.entries(rest).filter(([, value]) => value);
  const headers = { Accept: "text/event-stream", ...(key && { Authorization: `Bearer ${key}` }) };
  if (/[^\x21-\x7e]/.test(key)) throw new Refused(0, "unauthorized", "The key has letters that no key has.", null);
  let body;
  if (file) {
    body = new FormData();
    for (const [name, value] of fields) if (name !== "uri") body.append(name, value);
    body.append("file", file, file.name); // last: what is said of it comes before it
  } else {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(Object.fromEntries(fields));
  }
  try {
    return await fetch("v1/summaries", { method: "POST", headers, body, signal, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "unreachable", "The service does not answer.", null);
  }
}

async function refusal(response) {
  const said = await response.json().catch(() => null);
  const wait = Number.parseFloat(response.headers.get("Retry-After"));
  const detail = said?.error?.detail ?? `The service answered ${response.status}.`;
  return new Refused(response.status, said?.error?.reason ?? "unknown", detail, Number.isFinite(wait) ? wait : null);
}

/** Server-sent events, each with its JSON; comments and events without data are skipped. */
export async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error) => {
        if (error.name === "AbortError") throw error;
        throw new Refused(0, "connection_lost", "The connection to the service was lost.", null);
      });
      if (done) return;
      // a carriage return at the end may be half of a line's end: it waits for what follows
      const parts = (held + value).replace(/\r\n|\r(?!$)/g, "\n").split("\n\n");
      held = parts.pop();
      for (const part of parts) {
        const event = parse(part);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(part) {
  let name = "message";
  const data = [];
  for (const line of part.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}
