// Elements without templates: h("button.go", {onclick}, "text", child…). No markup is ever built from data.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

export function h(kind, properties = {}, ...children) {
  const [name, ...classes] = kind.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("aria") || key === "role") element.setAttribute(key.replace(/([A-Z])/, "-$1").toLowerCase(), value);
    else element[key] = value;
  }
  if (name === "button") element.type = "button";
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Enter in a field. A handler of `onkeydown` that gives false, as `a && b()` does, would swallow every other key. */
export function onEnter(input, run) {
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") run();
  });
}

export const HOLD_MS = 800;

/** A button that acts only after being held: for what cannot be taken back by accident. */
export function hold(button, act) {
  let timer = 0;
  const begin = (event) => {
    if (event.type === "keydown" && !["Enter", "Space"].includes(event.code)) return;
    event.preventDefault();
    if (timer) return;
    button.classList.add("holding");
    timer = setTimeout(() => (end(), act()), HOLD_MS);
  };
  const end = () => {
    clearTimeout(timer);
    timer = 0;
    button.classList.remove("holding");
  };
  button.classList.add("hold");
  ["pointerdown", "keydown"].forEach((name) => button.addEventListener(name, begin));
  ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"].forEach((name) => button.addEventListener(name, end));
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  return button;
}

let toastTimer = 0;

export function toast(text) {
  const box = $("toast");
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (box.hidden = true), 3_200);
}
