// The clock: steps of a manual one, the pace of a scaled one; and reset of everything.

import { attempt, call, onSubmit } from "./api.js";
import { $, counted, fields, instant } from "./dom.js";

export function start() {
  $("steps").addEventListener("click", (event) => {
    const { seconds, hours } = event.target.dataset;
    if (seconds) attempt(() => advance({ seconds: Number(seconds) }));
    if (hours) attempt(() => advance({ hours: Number(hours) }));
  });
  onSubmit($("step-to"), () => advance({ at: fields($("step-to")).at }));
  onSubmit($("pace"), async () => {
    const told = await call("PUT", "clock", { factor: Number(fields($("pace")).factor) });
    $("clock-state").textContent = instant(told.now);
  });
  $("reset").addEventListener("click", () => {
    if (confirm("Reset counts, journal, entries, faults, latency and WAN?")) attempt(reset);
  });
}

async function advance(step) {
  $("clock-state").textContent = instant((await call("POST", "clock/advance", step)).now);
}

async function reset() {
  const told = await call("POST", "reset");
  $("reset-note").textContent = `Dropped ${counted(told.requests, "request")} and ${counted(told.entries, "entry", "entries")}. Faults of the start: ${told.faults}.`;
}

export function take(state) {
  $("clock-state").textContent = instant(state.now);
  $("steps").hidden = $("step-to").hidden = !state.manual;
  $("pace").hidden = state.factor === null;
  const input = $("pace").elements.factor;
  if (state.factor !== null && document.activeElement !== input && input.value === "") input.value = state.factor;
  $("clock-note").textContent = `--clock ${state.clock} gives another process the same time. ` +
    (state.manual || state.factor !== null ? "" : "It is the machine’s: start with --clock manual or scaled:60 to steer it.");
}
