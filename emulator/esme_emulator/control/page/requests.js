// The journal of requests, and one request with its messages.

import { attempt, call, inBackground, latest, onSubmit, query } from "./api.js";
import { $, duration, facts, fields, h, instant, isUsed, show, table, text, timeOfDay, windowOf } from "./dom.js";
import { explained } from "./explain.js";

const PAGE = 25;

let shown = []; // requests of further pages, if the user asked for them
let filter = {}; // the last one that was valid; what is being typed does not count yet
let newest = -1; // number of the newest request that was fetched
let fetching = 0; // fetches of the list without an answer yet
const newestOf = latest();

export function start() {
  onSubmit($("filter"), () => refresh(fields($("filter"))));
  $("filter").addEventListener("reset", () => attempt(() => refresh({})));
  $("older").addEventListener("click", () => attempt(older));
  $("follow").addEventListener("change", () => attempt(() => refresh()));
  $("request-close").addEventListener("click", () => $("request").close());
}

/** Fetch the latest requests if there are new ones. */
export function take(state) {
  if (!$("follow").checked || state.journal === newest || fetching) return;
  if (isUsed($("journal"))) return; // a user cannot click a row that moves
  newest = state.journal;
  inBackground(() => refresh());
}

export async function refresh(wanted = filter) {
  const told = await page(wanted);
  if (told === null) return;
  filter = wanted;
  newest = told.total;
  shown = told.requests;
  draw(told);
}

async function older() {
  $("follow").checked = false; // the list would jump otherwise
  const told = await page({ ...filter, before: $("older").dataset.before });
  if (told === null) return;
  shown = [...shown, ...told.requests];
  draw(told);
}

/** Fetch a page of the list. Return null if a later fetch was started meanwhile. */
async function page(parameters) {
  fetching += 1;
  try {
    return await newestOf(() => call("GET", query("requests", { ...parameters, limit: PAGE })));
  } finally {
    fetching -= 1;
  }
}

function draw(told) {
  $("journal-total").textContent = `${text(told.total)} requests, ${text(told.kept)} of them in the journal.`;
  show($("journal"), table("Latest requests", [
    ["time", (row) => open(row)],
    ["decision", (row) => row.decision],
    ["SRV", (row) => row.srv],
    ["device", (row) => row.device, "code"],
    ["party", (row) => row.party, "code wide"],
    ["window", windowOf, "wide"],
    ["reply after", (row) => duration(row.seconds), "number"],
    ["meter", (row) => row.meter.map((receipt) => receipt.outcome).join(", "), "wide"],
    ["reason", (row) => row.reason, "wide"],
  ], shown));
  $("older").hidden = told.next === null;
  $("older").dataset.before = told.next ?? "";
}

function open(row) {
  const label = `Request ${row.number} at ${instant(row.at)}`;
  return h("button", { type: "button", class: "link", "aria-label": label, "data-number": row.number }, timeOfDay(row.at));
}

// One handler for all rows, which are made anew all the time.
document.addEventListener("click", (event) => {
  const number = event.target.closest?.("button[data-number]")?.dataset.number;
  if (number) attempt(() => detail(number));
});

async function detail(number) {
  const row = await call("GET", `requests/${number}`);
  $("request-title").textContent = `Request ${row.number}`;
  const receipts = row.meter.map((receipt) => {
    const due = receipt.replies_due.map(timeOfDay).join(", ");
    return `${receipt.outcome} at ${timeOfDay(receipt.at)}${due ? `, reply at ${due}` : ""}`;
  });
  $("request-body").replaceChildren(
    facts([
      ["received", instant(row.at)],
      ["device", row.device],
      ["SRV", row.srv],
      ["party", row.party],
      ["originator counter", row.counter === null ? null : String(row.counter)],
      ["window", row.from && `${instant(row.from)} – ${instant(row.to)}`],
      ["decision", row.decision],
      ["reason", row.reason],
      ["receipts of the meter", receipts.join("; ") || "none"],
      ["reply", row.reply ?? (row.replies.length ? "of the meter" : "none")],
      ["reply after", duration(row.seconds)],
      ["age of the readings", row.age === null ? null : duration(row.age)],
    ]),
    h("h3", {}, "Command"),
    explained(row.command),
    ...row.replies.flatMap((reply) => [h("h3", {}, "Reply"), explained(reply)]),
  );
  $("request").showModal();
}
