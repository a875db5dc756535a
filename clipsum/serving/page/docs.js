// The documentation: what openapi.json says, drawn for people. Nothing is loaded from elsewhere.
import { byId, element } from "./draw.js";

const code = (text) => element("code", {}, text);
const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const anchor = (verb, path) => `${verb}${path.replace(/\W+/g, "-")}`;

/** The words for a schema; a model is a link to its fields below. */
function kind(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [element("a", { href: `#${name}` }, name)];
  }
  const some = schema.anyOf ?? schema.oneOf;
  if (some) return some.flatMap((each, i) => [...(i ? [" or "] : []), ...kind(each)]);
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  if (schema.enum) return [schema.enum.map((each) => JSON.stringify(each)).join(", ")];
  if (schema.type === "array") return ["list of ", ...kind(schema.items ?? {})];
  if (schema.format === "binary") return ["file"];
  return [{ string: "text", number: "number", integer: "whole number", boolean: "true or false", null: "null" }[schema.type] ?? "anything"];
}

function fields(schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, each]) => {
    const needed = schema.required?.includes(name) ? "" : " (optional)";
    return element("tr", {}, element("td", {}, code(name), needed), element("td", {}, ...kind(each)), element("td", {}, each.description ?? ""));
  });
  const head = element("tr", {}, ...["Field", "Type", "Meaning"].map((words) => element("th", { scope: "col" }, words)));
  return element("div", { className: "wide" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

/** The request as a command that can be pasted into a shell. */
function command(verb, path, body, isKeyed) {
  const url = new URL(`.${path.replace("{job_id}", "JOB_ID")}`, document.baseURI).href;
  const lines = [`curl ${verb === "get" ? "" : `-X ${verb.toUpperCase()} `}'${url}'`];
  if (isKeyed) lines.push("-H 'Authorization: Bearer KEY'");
  const [type, content] = body ?? [];
  const example = content?.schema.examples?.[0];
  if (type === "application/json") lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(example)}'`);
  else if (type) lines.push("-F file=@pancakes.mp4", `-F 'query=${example.query}'`);
  return element("pre", { tabIndex: 0 }, lines.join(" \\\n  "));
}

function answer([status, said]) {
  const parts = Object.entries(said.content ?? {}).flatMap(([type, content]) => {
    const name = content.schema?.$ref ? [", ", ...kind(content.schema)] : [];
    return [element("p", {}, code(type), ...name), ...(content.example === undefined ? [] : [element("pre", { tabIndex: 0 }, pretty(content.example))])];
  });
  const headers = Object.entries(said.headers ?? {}).map(([name, each]) => element("p", {}, code(name), `: ${each.description}`));
  const summary = element("summary", {}, element("span", { className: "status" }, status), ` ${said.description}`);
  return element("details", { className: "answer" }, summary, ...headers, ...parts);
}

function operation(path, verb, said, isOurs) {
  const parts = [element("h2", {}, element("code", {}, element("span", { className: "verb" }, verb.toUpperCase()), ` ${path}`)), element("p", {}, `${said.summary}.`)];
  const bodies = Object.entries(said.requestBody?.content ?? {});
  for (const [type, content] of bodies) parts.push(element("h3", {}, "Send ", code(type)), fields(content.schema), isOurs ? command(verb, path, [type, content], said.security) : element("pre", { tabIndex: 0 }, pretty(content.schema.examples[0])));
  for (const each of said.parameters?.filter((each) => each.in === "header") ?? []) parts.push(element("p", {}, code(each.name), `: ${each.description}`));
  if (!bodies.length) parts.push(element("h3", {}, "Ask"), command(verb, path, null, said.security));
  parts.push(element("h3", {}, "Answers"), ...Object.entries(said.responses).map(answer));
  return element("section", { id: anchor(verb, path), className: "operation" }, ...parts);
}

function model([name, schema]) {
  return element("section", { id: name }, element("h4", {}, name), element("p", { className: "soft" }, schema.description ?? ""), fields(schema));
}

try {
  const said = await (await fetch("openapi.json")).json();
  const all = Object.entries(said.paths).flatMap(([path, verbs]) => Object.entries(verbs).map(([verb, each]) => [path, verb, each, true]));
  for (const [name, verbs] of Object.entries(said.webhooks ?? {})) all.push(...Object.entries(verbs).map(([verb, each]) => [`webhook ${name}`, verb, each, false]));
  for (const [path, verb, each, isOurs] of all) {
    const name = code(`${verb.toUpperCase()} ${path}`);
    byId("routes").append(element("li", {}, element("a", { href: `#${anchor(verb, path)}` }, name, element("span", {}, each.summary))));
    byId("operations").append(operation(path, verb, each, isOurs));
  }
  byId("models").append(...Object.entries(said.components.schemas).map(model));
  byId("models").hidden = false;
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
} catch {
  byId("failed").hidden = false;
}
