// Messages explained octet by octet.

import { call, onSubmit } from "./api.js";
import { $, fields, h, table, text } from "./dom.js";

export function start() {
  onSubmit($("explain-form"), async () => {
    const told = await call("POST", "explain", fields($("explain-form")));
    const parts = told.messages.map(explained);
    if (told.left_off) parts.push(h("p", { class: "note" }, "There are more messages than are shown."));
    $("explained").replaceChildren(...parts);
  });
}

/** Return a message with a row for each part of its octets. */
export function explained(message) {
  const octets = message.octets.length / 2;
  if (message.error !== null) {
    return h("p", { class: "bad" }, `${text(octets)} octets that are not a message: ${message.error}`);
  }
  const name = `${message.use_case ?? "unknown use case"} ${message.kind}, ${text(octets)} octets, ` +
    `MAC ${message.mac}, signature ${message.signature}`;
  const frame = table(name, [
    ["offset", (line) => line.offset, "number wide"],
    ["octets", (line) => spaced(line.octets), "code"],
    ["field", (line) => h("span", { class: `depth${Math.min(line.depth, 6)}` }, line.field)],
    ["meaning", (line) => line.meaning],
  ], message.lines, { rowClass: (line) => (line.decrypted ? "decrypted" : "") });
  frame.classList.add("octets");
  return frame;
}

const spaced = (digits) => digits.replace(/(..)(?=.)/g, "$1 ");
