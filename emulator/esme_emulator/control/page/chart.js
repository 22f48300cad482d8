// Curves as SVG.

import { h, text } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 200;

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Return the least number of 1, 2 or 5 times a power of ten that is not below `most`. */
function rounded(most) {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most);
}

/**
 * Return a chart of curves over one axis. `curves` are {name, kind, values}; a value of null is a
 * gap. `from` and `to` are the ends of the axis, `unit` is that of the values.
 */
export function chart(label, curves, { from, to, unit = "", length }) {
  const values = curves.flatMap((curve) => curve.values).filter((value) => value !== null);
  const top = rounded(Math.max(...values, 0));
  const least = Math.min(...values, 0);
  const bottom = least < 0 ? -rounded(-least) : 0;
  const x = (place) => (place / Math.max(length - 1, 1)) * WIDTH;
  const y = (value) => HEIGHT - ((value - bottom) / (top - bottom)) * HEIGHT;
  const heights = bottom < 0 ? [top, 0, bottom] : [top, top / 2, 0];
  const lines = heights.map((value) => {
    const kind = value === 0 ? "grid zero" : "grid";
    return svg("line", { class: kind, x1: 0, x2: WIDTH, y1: y(value), y2: y(value) });
  });
  const paths = curves.map(({ kind, values: some }) => {
    const first = length - some.length;
    let pen = "M";
    const d = some.map((value, place) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const point = `${pen}${x(first + place).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
      return point;
    });
    return svg("path", { class: kind, d: d.join("") });
  });
  const frame = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label };
  const legend = curves.map(({ name, kind }) =>
    h(
      "li",
      {},
      svg("svg", { viewBox: "0 0 30 10", "aria-hidden": "true" }, svg("path", { class: kind, d: "M0 5H30" })),
      name,
    ),
  );
  return [
    h("div", { class: "scale" }, h("span", {}, `${text(top)} ${unit}`)),
    svg("svg", frame, ...lines, ...paths),
    h("div", { class: "scale" }, h("span", {}, `${text(bottom)} ${unit}`)),
    h("div", { class: "scale" }, h("span", {}, from), h("span", {}, to)),
    h("ul", { class: "legend" }, legend),
  ];
}
