// The control interface, from which this page came. Addresses are relative, so any port will do.

import { $ } from "./dom.js";

const TOKEN = "esme-token";

// A token comes in the fragment of the address, which browsers send to nobody.
const given = /^#token=(.+)$/.exec(location.hash);
if (given) {
  sessionStorage.setItem(TOKEN, decodeURIComponent(given[1]));
  history.replaceState(null, "", location.pathname);
}

function headers() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** Send a request, and return the JSON of its answer. Throws an Error with the reason. */
export async function call(method, path, body) {
  const options = { method, headers: headers() };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const told = await answer.json();
  if (!answer.ok && !("store" in told)) throw new Error(told.error ?? answer.statusText);
  return told;
}

export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Run `action`; show its error in the page, and nothing once it succeeds. */
export async function attempt(action) {
  try {
    const result = await action();
    report("");
    return result;
  } catch (error) {
    report(error.message);
    return undefined;
  }
}

export function report(reason) {
  $("error").textContent = reason;
  $("error").hidden = !reason;
}

/** Let `submit(fields)` handle a form, without leaving the page. */
export function onSubmit(form, submit) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(submit);
  });
}

const RETRY = 2000;

/**
 * Call `take` with each state of the live stream, and `lost` when it breaks. Reconnects for
 * ever. A hidden page has no stream: a browser opens six connections to a process at most.
 */
export async function follow(take, lost) {
  for (;;) {
    while (document.hidden) await visibilityChange();
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    document.addEventListener("visibilitychange", hide);
    try {
      const answer = await fetch("events", { headers: headers(), cache: "no-store", signal: stop.signal });
      if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
      await read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), take);
    } catch {
      // said below
    } finally {
      document.removeEventListener("visibilitychange", hide);
    }
    if (stop.signal.aborted) continue;
    lost();
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

const visibilityChange = () =>
  new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));

// Not EventSource, which cannot send a token.
async function read(reader, take) {
  let kept = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (kept + value).split("\n\n");
    kept = events.pop();
    for (const event of events) {
      if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
    }
  }
}
