// The control interface, from which this page came. Addresses are relative, so any port will do.

import { $ } from "./dom.js";

const TOKEN = "esme-token"; // kept until the tab is closed

/** Send a request. Shows the form for the token if the process wants one. */
async function send(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { ...options.headers, authorization: `Bearer ${token}` } : options.headers;
  const answer = await fetch(path, { ...options, headers });
  $("unlock").hidden = answer.status !== 401;
  return answer;
}

/** Send a request, and return the JSON of its answer. Throws an Error with the reason. */
export async function call(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const answer = await send(path, options);
  if (answer.status === 401) throw new Error("the token is missing or wrong");
  const told = await answer.json();
  if (!answer.ok && !("store" in told)) throw new Error(told.error ?? answer.statusText);
  return told;
}

export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

let actions = 0; // of the user

/** Run an action of the user; show its error in the page, and nothing once it succeeds. */
export async function attempt(action) {
  actions += 1;
  const own = actions;
  try {
    await action();
    if (own === actions) report(""); // the error of a later action stays
  } catch (error) {
    report(error.message);
  }
}

let told = ""; // the error of the background that was shown last

/** Run an action that the stream asks for: its success must not hide an error of the user's action. */
export async function inBackground(action) {
  let reason = "";
  try {
    await action();
  } catch (error) {
    reason = error.message;
  }
  if (reason || $("error").textContent === told) report(reason);
  told = reason;
}

function report(reason) {
  $("error").textContent = reason;
  $("error").hidden = !reason;
}

/**
 * Return a function that awaits an action and returns its result, or null if it was called again
 * meanwhile: an answer that others overtook is out of date.
 */
export function latest() {
  let calls = 0;
  return async (action) => {
    calls += 1;
    const own = calls;
    const result = await action();
    return own === calls ? result : null;
  };
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
 * Call `take` with each state of the live stream, and `lost(reason)` when it breaks. Reconnects for
 * ever, unless a token is needed. A hidden page has no stream: a browser opens six connections to a
 * process at most.
 */
export async function follow(take, lost) {
  for (;;) {
    while (document.hidden) await visibilityChange();
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    document.addEventListener("visibilitychange", hide);
    try {
      const answer = await send("events", { cache: "no-store", signal: stop.signal });
      if (answer.status === 401) return lost(sessionStorage.getItem(TOKEN) ? "the token is wrong" : "needs a token");
      if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
      await read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), take);
    } catch {
      // said below
    } finally {
      document.removeEventListener("visibilitychange", hide);
    }
    if (stop.signal.aborted) continue;
    lost("the process does not answer");
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

$("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, event.target.elements.token.value);
  location.reload();
});
