// Elements and texts. Everything that comes from the process is text, never HTML.

/** Return an element. Properties in `props` are set; `class`, `data-…`, `aria-…`, `role` are attributes. */
export function h(name, props = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (key in element && key !== "list" && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const $ = (id) => document.getElementById(id);

/** Replace the content of an element, unless it is the same: a selection and a focus stay. */
export function show(target, ...children) {
  const made = h("div", {}, ...children);
  if (made.innerHTML !== target.innerHTML) target.replaceChildren(...made.childNodes);
}

const hovers = matchMedia("(hover: hover)").matches;

/** Return whether the user is at an element, by focus or pointer, so that it should stay as it is. */
export function isUsed(element) {
  return element.contains(document.activeElement) || (hovers && element.matches(":hover"));
}

/** Replace the content of an element, as `show`, unless it has the focus: a list must keep it. */
export function update(target, ...children) {
  if (!target.contains(document.activeElement)) show(target, ...children);
}

/**
 * Return a table in a frame that scrolls. `columns` are [title, cell, class], where `cell(row)` is
 * a text, a number or a node. An empty table says so.
 */
export function table(title, columns, rows, { rowClass, empty = "none" } = {}) {
  if (!rows.length) {
    return h("div", { class: "scroll" }, h("p", { class: "empty" }, `${title}: ${empty}`));
  }
  const heads = columns.map(([name, , kind = ""]) => h("th", { scope: "col", class: kind }, name));
  const body = rows.map((row) =>
    h(
      "tr",
      { class: rowClass ? rowClass(row) : "" },
      columns.map(([, cell, kind = ""]) => {
        const value = cell(row);
        return h("td", { class: kind }, value instanceof Node ? value : text(value));
      }),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabIndex: 0, role: "region", "aria-label": title },
    h("table", {}, h("caption", {}, title), h("thead", {}, h("tr", {}, heads)), h("tbody", {}, body)),
  );
}

/** Return a list of names and values. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.flatMap(([name, value]) => [
    h("dt", {}, name),
    h("dd", {}, value instanceof Node ? value : text(value)),
  ]));
}

const numbers = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 3 });

export function text(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" ? numbers.format(value) : String(value);
}

export const percent = (part) => (part === null || part === undefined ? "–" : `${(part * 100).toFixed(1)} %`);

/** Return a duration in seconds as a text. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return `${numbers.format(Math.round(seconds * 10000) / 10)} ms`;
  if (seconds < 120) return `${numbers.format(Math.round(seconds * 100) / 100)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${numbers.format(Math.round(seconds / 360) / 10)} h`;
}

/** Return an instant in ISO 8601 to the second, without its zone, which is always UTC. */
export const instant = (iso) => (iso ? iso.replace(/(\.\d+)?Z$/, "").replace("T", " ") : "");
export const timeOfDay = (iso) => instant(iso).slice(11);

/** Return a window to the minute, or nothing if it has no start. */
export const windowOf = ({ from, to }) => (from ? `${instant(from).slice(0, 16)} – ${instant(to).slice(0, 16)}` : "");

export const counted = (number, one, more = `${one}s`) => `${text(number)} ${number === 1 ? one : more}`;

/** Return the fields of a form that are filled in. */
export function fields(form) {
  return Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
}
