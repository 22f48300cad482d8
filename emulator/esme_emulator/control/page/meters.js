// One meter: its kind, registers, counts, and its energy today against a week ago.

import { call, onSubmit } from "./api.js";
import { chart } from "./chart.js";
import { $, facts, fields, h, instant, table, text } from "./dom.js";

const WEEK = 7 * 86_400_000;

export function start() {
  onSubmit($("meter-search"), () => meter(fields($("meter-search")).device));
}

export async function open() {
  const { meters, first, last } = await call("GET", "fleet");
  $("meters-note").textContent = `${text(meters)} meters, ${first} to ${last}.`;
  const input = $("meter-search").elements.device;
  if (!input.value) input.value = first;
}

async function meter(eui) {
  const told = await call("GET", `meters/${encodeURIComponent(eui)}`);
  const today = told.now.slice(0, 10);
  const before = new Date(Date.parse(`${today}T00:00:00Z`) - WEEK).toISOString().slice(0, 10);
  const [now, then] = await Promise.all(
    [today, before].map((day) => call("GET", `meters/${told.device}/half-hours?day=${day}`)),
  );
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

/** Return import less export of each half hour; the half hours to come are gaps. */
function net({ active_import: taken, active_export: given }) {
  const values = taken.map((value, place) => value - given[place]);
  return [...values, ...Array(48 - values.length).fill(null)];
}
