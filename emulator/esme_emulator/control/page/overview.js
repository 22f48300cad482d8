// Counts, curve, hit ratios, latencies and reasons.

import { chart } from "./chart.js";
import { $, duration, h, percent, show, table, text, update } from "./dom.js";

const SPAN = 300; // most seconds of the curve
const LEAST = 60;
const KINDS = ["hits", "collapsed", "forwarded", "refused", "failed"];

const history = [];

export function take(state) {
  const before = history.at(-1);
  const point = {
    at: performance.now() / 1000,
    hits: state.cache?.decisions.hits ?? null,
    device: state.fleet?.device_hits ?? state.cache?.decisions.forwarded ?? 0,
    requests: state.cache?.requests ?? null,
  };
  history.push(point);
  if (history.length > SPAN + 1) history.shift();
  show($("counts"), counts(state, rates(before, point)));
  drawCurve();
  showTables(state);
}

function rates(before, now) {
  if (!before || now.at <= before.at) return {};
  const per = (name) => (now[name] === null ? null : Math.max(now[name] - before[name], 0) / (now.at - before.at));
  return { hits: per("hits"), device: per("device"), requests: per("requests") };
}

function counts({ cache, fleet, latency }, rate) {
  const tiles = [];
  const tile = (name, value, extra) =>
    tiles.push(h("div", {}, h("dt", {}, name), h("dd", {}, value, " ", h("small", {}, extra ?? ""))));
  const second = (value) => (value === null || value === undefined ? "" : `${value.toFixed(value < 10 ? 1 : 0)}/s`);
  if (cache) {
    tile("requests", text(cache.requests), second(rate.requests));
    tile("hits", text(cache.decisions.hits), second(rate.hits));
    tile("avoided", percent(cache.avoided_ratio));
    for (const kind of KINDS.slice(1)) tile(kind, text(cache.decisions[kind]));
    tile("waiting", text(cache.undecided));
  }
  if (fleet) {
    tile("device hits", text(fleet.device_hits), second(rate.device));
    tile("replies", text(fleet.replies));
    tile("faults fired", text(fleet.faults));
    tile("meters", text(fleet.meters));
  }
  const all = latency.find((row) => row.decision === "forwarded") ?? latency[0];
  if (all) tile(`p99, ${all.decision}`, duration(all.p99));
  return tiles;
}

function drawCurve() {
  const points = history.slice(1).map((point, place) => rates(history[place], point));
  const curves = [{ name: "device hits", kind: "device", values: points.map((one) => one.device) }];
  if (points.some((one) => one.hits !== null)) {
    curves.unshift({ name: "hits of the cache", kind: "hits", values: points.map((one) => one.hits) });
  }
  const length = Math.max(points.length, LEAST);
  const from = `${length} s ago`;
  const label = `Hits of the cache and commands at meters a second, over the last ${length} seconds`;
  $("curve").replaceChildren(...chart(label, curves, { from, to: "now", unit: "a second", length }));
}

function showTables({ cache, fleet, latency }) {
  const ratio = (row) => {
    const taken = row.hits + row.collapsed + row.forwarded;
    return percent(taken ? row.hits / taken : null);
  };
  const decisions = [
    ["hit ratio", ratio, "number"],
    ...KINDS.map((kind) => [kind, (row) => row[kind], "number"]),
  ];
  if (cache) {
    update($("by-srv"), table("By SRV", [["SRV", (row) => row.srv], ...decisions], cache.by_srv));
    update($("by-party"), table("By party", [["party", (row) => row.party, "code"], ...decisions], cache.by_party));
    const reasons = Object.entries(cache.reasons);
    update($("reasons"), table("Reasons of refusals and failures", [
      ["reason", ([reason]) => reason],
      ["number", ([, number]) => number, "number"],
    ], reasons));
  }
  const time = (name) => [name, (row) => duration(row[name]), "number"];
  update($("latency"), table("Time to the reply, of the latest 1,000 requests", [
    ["decision", (row) => row.decision],
    ["replies", (row) => row.number, "number"],
    time("p50"), time("p95"), time("p99"),
  ], latency));
  if (fleet) {
    update($("outcomes"), table("Commands at meters", [
      ["SRV", (row) => row.srv],
      ["outcome", (row) => row.outcome],
      ["commands", (row) => row.commands, "number"],
      ["replies", (row) => row.replies, "number"],
    ], fleet.outcomes));
  }
}
