// Kinds of faults, each with a switch; active rules; latency, WAN and connection of the fleet.

import { attempt, call, inBackground, onSubmit } from "./api.js";
import { $, counted, fields, h, instant, show, table } from "./dom.js";

const NAMED = "page-"; // rules of this page; those of others have no switch

let kinds = null;
let fired = -1;

export function start() {
  onSubmit($("network"), async () => {
    const told = await call("PUT", "fleet/latency", fields($("network")));
    note(`Meters answer with latency ${told.latency}, behind WAN ${told.wan}.`);
  });
  onSubmit($("cut"), async () => {
    const { cut } = await call("POST", "fleet/cut", { seconds: Number(fields($("cut")).seconds) });
    note(`${counted(cut, "connection")} cut.`);
  });
  $("selectors").addEventListener("submit", (event) => event.preventDefault());
}

function note(words) {
  $("network-note").textContent = words;
}

export async function open() {
  if (kinds === null) {
    kinds = (await call("GET", "faults/kinds")).kinds;
    $("kinds").replaceChildren(...kinds.map(card));
  }
  const { latency, wan } = await call("GET", "fleet");
  note(`Meters answer with latency ${latency}, behind WAN ${wan?.profile ?? "none"}.`);
  await refresh();
}

/** Show how often rules have fired, if any has. */
export function take(state) {
  if (state.fleet && state.fleet.faults !== fired) {
    fired = state.fleet.faults;
    inBackground(refresh);
  }
}

async function refresh() {
  const [{ rules, fired: counts }, log] = await Promise.all([call("GET", "faults"), call("GET", "faults/log?limit=10")]);
  for (const box of document.querySelectorAll("#kinds [role=switch]")) {
    box.checked = rules.some((rule) => rule.name === NAMED + box.name);
    box.closest(".kind").classList.toggle("on", box.checked);
  }
  const about = ({ name, kind, ...others }) => Object.entries(others).map(([key, value]) => `${key} ${value}`).join(", ");
  show($("rules"), table("Active rules", [
    ["rule", (rule) => rule.name],
    ["kind", (rule) => rule.kind],
    ["fired", (rule) => counts[rule.name], "number"],
    ["parameters", about],
    ["", (rule) => h("button", { type: "button", "data-rule": rule.name, "aria-label": `Remove ${rule.name}` }, "Remove")],
  ], rules));
  show($("fired"), table(`Latest of ${log.total} faults`, [
    ["time", (one) => instant(one.time)],
    ["rule", (one) => one.rule],
    ["device", (one) => one.device, "code"],
    ["SRV", (one) => one.srv],
    ["call", (one) => one.number, "number"],
  ], log.fired));
}

$("rules").addEventListener("click", (event) => {
  const name = event.target.closest("button[data-rule]")?.dataset.rule;
  if (name) attempt(() => remove(name));
});

async function remove(name) {
  await call("DELETE", `faults/${encodeURIComponent(name)}`);
  await refresh();
}

function card(kind) {
  const box = h("input", { type: "checkbox", role: "switch", name: kind.kind });
  const form = h("form", {}, kind.parameters.map(field));
  form.addEventListener("submit", (event) => event.preventDefault());
  box.addEventListener("change", () =>
    attempt(async () => {
      try {
        if (box.checked) await call("POST", "faults", rule(kind, form));
        else await call("DELETE", `faults/${NAMED}${kind.kind}`);
      } finally {
        await refresh();
      }
    }),
  );
  const parts = [h("label", {}, box, kind.kind), h("p", {}, kind.doc)];
  if (kind.parameters.length) parts.push(h("details", {}, h("summary", {}, "Parameters"), form));
  return h("div", { class: "kind" }, parts);
}

function field({ key, doc, schema }) {
  const input = schema.enum
    ? h("select", { name: key }, schema.enum.map((value) => h("option", {}, value)))
    : h("input", { name: key, placeholder: schema.default ?? "", autocomplete: "off" });
  if (schema.enum) input.value = schema.default;
  return h("label", { title: doc }, key, input);
}

/** Return the rule of a kind, with its parameters and the selectors of the page. */
function rule(kind, form) {
  const made = { kind: kind.kind, name: NAMED + kind.kind };
  const chosen = fields($("selectors"));
  if (chosen.meters) made.meters = list(chosen.meters);
  if (chosen.srvs) made.srvs = list(chosen.srvs);
  if (chosen.calls) made.calls = chosen.calls;
  if (chosen.probability) made.probability = Number(chosen.probability);
  for (const [key, value] of Object.entries(fields(form))) {
    const { type } = kind.parameters.find((parameter) => parameter.key === key).schema;
    made[key] = type === "number" || type === "integer" ? Number(value) : value;
  }
  return made;
}

const list = (words) => {
  const parts = words.split(",").map((word) => word.trim());
  return parts.length === 1 ? parts[0] : parts;
};
