// Search of meters; and one meter: its kind, state, registers, counts, and its energy today against
// a week ago.

import { attempt, call, latest, onSubmit, query } from "./api.js";
import { chart } from "./chart.js";
import { $, facts, fields, h, instant, table, text } from "./dom.js";

const WEEK = 7 * 86_400_000;
const PAGE = 20;
const MOST_CALLS = 25; // of one search, each of which looks at some of the meters

let listed = [];
let next = null; // where the search goes on
const newestSearch = latest();
const newestMeter = latest();

export function start() {
  onSubmit($("meter-search"), () => meter(fields($("meter-search")).device));
  onSubmit($("meter-filter"), () => search([], ""));
  $("more-meters").addEventListener("click", () => attempt(() => search(listed, next)));
  $("meter-list").addEventListener("click", (event) => {
    const device = event.target.closest("button[data-device]")?.dataset.device;
    if (device) attempt(() => meter(device).then(() => $("meter").scrollIntoView()));
  });
}

export async function open() {
  const { meters, first, last, profiles } = await call("GET", "fleet");
  $("meters-note").textContent = `${text(meters)} meters, ${first} to ${last}.`;
  const input = $("meter-search").elements.device;
  if (!input.value) input.value = first;
  const choice = $("meter-filter").elements.profile;
  if (choice.length === 1) choice.append(...profiles.map(({ profile }) => h("option", {}, profile)));
}

/** Show `former` and the meters behind `after` that fit the filter. */
async function search(former, after) {
  const found = await newestSearch(() => more(former, after));
  if (found === null) return;
  listed = found.meters;
  next = found.next;
  $("more-meters").hidden = next === null;
  $("meter-list").replaceChildren(table(next === null ? "All meters that fit" : `Meters up to ${next}`, [
    ["device", (row) => h("button", { type: "button", class: "link", "data-device": row.device }, row.device)],
    ["profile", (row) => row.profile],
    ["generation", (row) => row.generation, "wide"],
    ["payment", (row) => row.payment, "wide"],
    ["state", (row) => row.state],
  ], listed));
}

/** Return `former` with the next meters that fit the filter, and where the search goes on. */
async function more(former, after) {
  const meters = [...former];
  const wanted = meters.length + PAGE;
  let place = after;
  for (let calls = 0; calls < MOST_CALLS && place !== null && meters.length < wanted; calls += 1) {
    const limit = wanted - meters.length;
    const told = await call("GET", query("meters", { ...fields($("meter-filter")), after: place, limit }));
    meters.push(...told.meters);
    place = told.next;
  }
  return { meters, next: place };
}

async function meter(eui) {
  const found = await newestMeter(() => withCurves(eui));
  if (found !== null) draw(found);
}

/** Return a meter with its half hours of today and of a week before. */
async function withCurves(eui) {
  const told = await call("GET", `meters/${encodeURIComponent(eui)}`);
  const today = told.now.slice(0, 10);
  const before = new Date(Date.parse(`${today}T00:00:00Z`) - WEEK).toISOString().slice(0, 10);
  const [now, then] = await Promise.all(
    [today, before].map((day) => call("GET", `meters/${told.device}/half-hours?day=${day}`)),
  );
  return { told, today, before, now, then };
}

function draw({ told, today, before, now, then }) {
  const curves = [
    { name: `${today}, import above and export below zero`, kind: "hits", values: net(now) },
    { name: `${before}, a week before`, kind: "device", values: net(then) },
  ];
  const label = `Energy of each half hour of ${today} and ${before}`;
  const registers = Object.entries(told.registers).map(([name, register]) => ({ name, ...register }));
  $("meter").replaceChildren(
    facts([
      ["device", told.device],
      ["profile", `${told.title} (${told.profile})`],
      ["meter", [told.generation, told.variant, told.payment, told.tariff].join(", ")],
      ["installed", instant(told.installed).slice(0, 10)],
      ["own data", told.own.join(", ")],
      ["state", stateOf(told)],
      ["now", instant(told.now)],
    ]),
    h("div", { class: "chart" }, chart(label, curves, { from: "00:00", to: "24:00", unit: "Wh", length: 48 })),
    h("div", { class: "columns" },
      h("div", {}, table("Registers, in Wh or varh", [
        ["register", (row) => row.name.replaceAll("_", " ")],
        ["total", (row) => row.total, "number"],
        ["by time of use", (row) => (row.tou ?? []).map(text).join(", ")],
      ], registers)),
      h("div", {}, table("Counts", [
        ["stage", (row) => row.stage],
        ["SRV", (row) => row.srv],
        ["outcome", (row) => row.outcome],
        ["number", (row) => row.number, "number"],
      ], told.counters))),
  );
}

/** Return a choice of states, which sets that of the meter. */
function stateOf({ device, state }) {
  const options = [...$("meter-filter").elements.state.options].slice(1).map((option) => h("option", {}, option.value));
  const choice = h("select", { "aria-label": `State of ${device}` }, options);
  choice.value = state;
  choice.addEventListener("change", () => attempt(() => call("PUT", `meters/${device}/state`, { state: choice.value })));
  return choice;
}

/** Return import less export of each half hour; the half hours to come are gaps. */
function net({ active_import: taken, active_export: given }) {
  const values = taken.map((value, place) => value - given[place]);
  return [...values, ...Array(48 - values.length).fill(null)];
}
