// Entries of the cache with their ages, purges, and the registry.

import { attempt, call, onSubmit, query } from "./api.js";
import { $, counted, duration, facts, fields, h, show, table, text, windowOf } from "./dom.js";

export function start() {
  onSubmit($("entries-filter"), refresh);
  onSubmit($("registry-filter"), registry);
  onSubmit($("change"), change);
  $("purge").addEventListener("click", () => {
    const which = Object.values(fields($("entries-filter"))).join(" ");
    if (confirm(which ? `Purge the entries of ${which}?` : "Purge all entries?")) {
      attempt(() => purge(fields($("entries-filter"))));
    }
  });
  $("entries").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-device]");
    if (button) attempt(() => purge({ device: button.dataset.device, srv: button.dataset.srv }));
  });
}

export async function open() {
  await Promise.all([refresh(), registry()]);
}

async function purge(which) {
  const { removed } = await call("DELETE", query("cache/entries", which));
  await refresh();
  $("purged").textContent = `${counted(removed, "entry", "entries")} purged.`;
}

async function refresh() {
  const [{ store, settings, hits }, { entries, left_off: more }] = await Promise.all([
    call("GET", "cache"),
    call("GET", query("cache/entries", fields($("entries-filter")))),
  ]);
  show($("store"), facts([
    ["store", store.kind],
    ["entries", store.entries],
    ["octets", store.octets],
    ["evicted", store.evicted],
    ["error", store.error],
    ["retention", `${settings.retention_hours} h`],
    ["SRVs", settings.srvs.join(", ")],
    ["hits by age", hits.by_age.filter((row) => row.number).map((row) => `${row.hours === null ? "older" : `≤ ${row.hours} h`}: ${text(row.number)}`).join(", ")],
  ]));
  $("purged").textContent = more ? "There are more entries than are shown: filter by device." : "";
  show($("entries"), table("Entries", [
    ["device", (row) => row.device, "code"],
    ["SRV", (row) => row.srv],
    ["window", windowOf, "wide"],
    ["age", (row) => duration(row.age), "number"],
    ["expires in", (row) => duration(row.remaining), "number wide"],
    ["octets", (row) => row.octets, "number wide"],
    ["", (row) => h("button", {
      type: "button", "data-device": row.device, "data-srv": row.srv,
      "aria-label": `Purge ${row.srv} of ${row.device}`,
    }, "Purge")],
  ], entries));
}

async function change() {
  const wanted = fields($("change"));
  const kind = wanted.old || wanted.new ? "supplier" : "tenancy";
  const told = await call("POST", `cache/registry/change-of-${kind}`, wanted);
  const dropped = told.flushed === null ? `entries are not served: ${told.waiting}` : `${counted(told.flushed, "entry", "entries")} dropped`;
  $("changed").textContent = `Change of ${kind} on ${told.day}; ${dropped}.` +
    (told.forgotten ? ` It is lost when the cache ends: ${told.forgotten}.` : "");
  $("registry-filter").elements.device.value = told.device;
  await open();
}

async function registry() {
  const { parties, registrations } = await call("GET", query("cache/registry", fields($("registry-filter"))));
  const parts = [table("Parties", [
    ["party", (row) => row.party, "code"],
    ["roles", (row) => row.roles.join(", ")],
  ], parties)];
  if (registrations !== null) {
    parts.push(table("Registrations", [
      ["party", (row) => row.party, "code"],
      ["devices", (row) => row.devices, "code"],
      ["from", (row) => row.from],
      ["to", (row) => row.to],
      ["roles", (row) => (row.roles ?? []).join(", ") || "all"],
      ["holds today", (row) => (row.current ? "yes" : "no")],
    ], registrations));
  }
  show($("registry"), h("div", { class: "columns" }, parts.map((part) => h("div", {}, part))));
}
