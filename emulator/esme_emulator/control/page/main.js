// Shows one panel at a time, and gives each what the live stream says.

import { attempt, follow } from "./api.js";
import * as cache from "./cache.js";
import * as clock from "./clock.js";
import { $, instant } from "./dom.js";
import * as explain from "./explain.js";
import * as faults from "./faults.js";
import * as meters from "./meters.js";
import * as overview from "./overview.js";
import * as requests from "./requests.js";

const panels = { overview, requests, meters, faults, clock, cache, explain };

/** The part of the process that a panel shows; without it, the panel has no link. */
const needs = { meters: "fleet", faults: "fleet", cache: "cache" };

let current = "overview";

function open() {
  const name = location.hash.slice(1);
  current = name in panels ? name : "overview";
  for (const panel of Object.keys(panels)) $(panel).hidden = panel !== current;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${current}`) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" }); // on a phone the bar is wider than the screen
    } else link.removeAttribute("aria-current");
  }
  document.title = `esme: ${current}`;
  window.scrollTo(0, 0);
  const panel = panels[current];
  attempt(async () => (panel.open ?? panel.refresh)?.());
}

function take(state) {
  const lost = state.lost.length > 0;
  $("status").textContent = lost ? `no connection to the broker: ${state.lost.join(", ")}` : `broker ${state.broker}`;
  $("status").classList.toggle("lost", lost);
  $("time").textContent = `${instant(state.now)} UTC`;
  for (const [panel, part] of Object.entries(needs)) {
    document.querySelector(`nav a[href="#${panel}"]`).hidden = state[part] === null;
  }
  overview.take(state); // always, since its curve needs every second
  if (current !== "overview") panels[current].take?.(state);
}

function lost(reason) {
  $("status").textContent = reason;
  $("status").classList.add("lost");
}

for (const panel of Object.values(panels)) panel.start?.();
window.addEventListener("hashchange", open);
open();
follow(take, lost);
