// Counts, curve, hit ratios, latencies and reasons.

import { chart } from "./chart.js";
import { $, duration, h, percent, show, table, text, update } from "./dom.js";

const SPAN = 300; // most seconds of the curve
const LEAST = 60;
const KINDS = ["hits", "collapsed", "forwarded", "refused", "failed"];

const history = []; // a point for each second; null for a second without one
let before;

export function take(state) {
  const point = {
    at: performance.now() / 1000,
    hits: state.cache?.decisions.hits ?? null,
    device: state.fleet?.device_hits ?? state.cache?.decisions.forwarded ?? 0,
    requests: state.cache?.requests ?? null,
  };
  const rate = rates(before, point);
  const missed = before ? Math.min(Math.round(point.at - before.at) - 1, SPAN) : 0;
  for (let second = 0; second < missed; second += 1) history.push(null);
  if (before) history.push(rate);
  history.splice(0, Math.max(history.length - SPAN, 0));
  before = point;
  show($("counts"), counts(state, rate));
  drawCurve();
  showTables(state);
}

function rates(then, now) {
  if (!then || now.at <= then.at) return { hits: null, device: null, requests: null };
  const per = (name) => (now[name] === null ? null : Math.max(now[name] - then[name], 0) / (now.at - then.at));
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
  const values = (name) => history.map((rate) => rate?.[name] ?? null);
  const curves = [{ name: "device hits", kind: "device", values: values("device") }];
  if (before.hits !== null) {
    curves.unshift({ name: "hits of the cache", kind: "hits", values: values("hits") });
  }
  const length = Math.max(history.length, LEAST);
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
