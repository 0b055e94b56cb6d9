// What a camera does, drawn on a still: the text below is what is saved, and the drawing changes that text.
import { request, announce } from "./shell.js";

const told = document.getElementById("told");
const text = document.getElementById("f-document");
const stage = document.getElementById("draw");
const svg = document.getElementById("draw-lines");
const canvas = document.getElementById("draw-picture");
const said = document.getElementById("draw-said");
const NS = "http://www.w3.org/2000/svg";
const WIDE = 960;
const gates = told ? JSON.parse(told.dataset.gates) : {};
let shape = null; // {kind: "line" | "zone", points: [[x, y]…], gate, flip}, in fractions of the picture
let high = 540;
let dragged = -1;
let scale = 1; // On a phone the picture is small, and a finger is not.

const words = (name) => told.dataset[`text${name}`];
const clamp = (value) => Math.min(1, Math.max(0, value));
const round = (value) => Math.round(value * 10000) / 10000;

function parsed() {
  try { return JSON.parse(text.value); } catch { return null; }
}

/** The camera that is drawn on: the first of the configuration. */
function camera(document) {
  return document?.sensor?.find?.((each) => each.kind === "camera");
}

function read() {
  const found = camera(parsed());
  if (!found) { said.textContent = parsed() ? said.textContent : words("Broken"); return; }
  document.getElementById("draw-source").value = found.source ?? "";
  const lines = typeof found.line === "string" ? [{ at: found.line, gate: found.gate, flip: found.flip }] : found.line ?? [];
  const first = lines[0] ? { kind: "line", ...lines[0] } : found.zone?.[0] ? { kind: "zone", ...found.zone[0] } : null;
  shape = null;
  if (first && typeof first.at === "string") {
    const numbers = first.at.split(",").map(Number);
    if (numbers.length >= 4 && numbers.every(Number.isFinite)) {
      const points = [];
      for (let at = 0; at + 1 < numbers.length; at += 2) points.push([numbers[at], numbers[at + 1]]);
      shape = { kind: first.kind, points, gate: first.gate ?? Object.keys(gates)[0], flip: Boolean(first.flip) };
    }
  }
  draw();
}

/** Put the drawing and the address into the text; further lines and zones of other gates stay as they are. */
function write() {
  const whole = parsed();
  const found = camera(whole);
  if (!found) { said.textContent = words("Broken"); return; }
  found.source = document.getElementById("draw-source").value.trim();
  if (shape) {
    const lines = (Array.isArray(found.line) ? found.line : []).filter((each) => each.gate !== shape.gate);
    const zones = (found.zone ?? []).filter((each) => each.gate !== shape.gate);
    const drawn = { gate: shape.gate, at: shape.points.flat().map(round).join(",") };
    if (shape.flip) drawn.flip = true;
    (shape.kind === "line" ? lines : zones).unshift(drawn);
    for (const name of ["line", "zone", "gate", "flip"]) delete found[name];
    if (lines.length) found.line = lines;
    if (zones.length) found.zone = zones;
  }
  text.value = JSON.stringify(whole, null, 2);
}

function element(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const pixels = ([x, y]) => [x * WIDE, y * high];

function draw(focus = -1) {
  document.getElementById("draw-stage").hidden = !shape && !canvas.dataset.shown;
  scale = Math.min(3, Math.max(1, WIDE / (svg.clientWidth || WIDE)));
  svg.style.setProperty("--scale", scale);
  svg.setAttribute("viewBox", `0 0 ${WIDE} ${high}`);
  svg.replaceChildren();
  if (!shape) return;
  const points = shape.points.map(pixels);
  const path = points.map((each) => each.join(",")).join(" ");
  svg.append(element(shape.kind === "line" ? "polyline" : "polygon", { points: path, class: "draw-edge" }));
  drawArrow(points);
  shape.points.forEach((point, index) => svg.append(handle(point, index)));
  if (focus >= 0) svg.querySelector(`[data-point="${focus}"]`)?.focus();
}

/** From the middle of the line (or of the zone's first side) towards where `in` is. */
function drawArrow(points) {
  const [[x1, y1], [x2, y2]] = points;
  const [middleX, middleY] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const long = Math.hypot(x2 - x1, y2 - y1) || 1;
  let [towardsX, towardsY] = [-(y2 - y1) / long, (x2 - x1) / long];
  if (shape.kind === "zone") {
    const probe = (sign) => inside([middleX + sign * towardsX * 4, middleY + sign * towardsY * 4], points);
    if (!probe(1)) [towardsX, towardsY] = [-towardsX, -towardsY];
  }
  if (shape.flip) [towardsX, towardsY] = [-towardsX, -towardsY];
  const [endX, endY] = [middleX + towardsX * 80 * scale, middleY + towardsY * 80 * scale];
  const wing = (turn) => {
    const angle = Math.atan2(towardsY, towardsX) + turn;
    return `${endX - 24 * scale * Math.cos(angle)},${endY - 24 * scale * Math.sin(angle)}`;
  };
  svg.append(element("line", { x1: middleX, y1: middleY, x2: endX, y2: endY, class: "draw-arrow" }));
  svg.append(element("polyline", { points: `${wing(0.5)} ${endX},${endY} ${wing(-0.5)}`, class: "draw-arrow" }));
  const label = element("text", { x: endX + towardsX * 58 * scale, y: endY + (towardsY * 32 + 10) * scale, class: "draw-word" });
  label.textContent = words("In");
  svg.append(label);
}

function inside([x, y], points) {
  let odd = false;
  points.forEach(([ax, ay], index) => {
    const [bx, by] = points[(index + points.length - 1) % points.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  });
  return odd;
}

function handle(point, index) {
  const [x, y] = pixels(point);
  const made = element("circle", { cx: x, cy: y, r: 15 * scale, class: "draw-point", tabindex: 0, role: "button", "data-point": index });
  made.setAttribute("aria-label", `${words("Point")} ${index + 1}: ${Math.round(point[0] * 100)} %, ${Math.round(point[1] * 100)} %`);
  return made;
}

function place(event) {
  const box = svg.getBoundingClientRect();
  return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
}

function nearestSide(point) {
  const [x, y] = pixels(point);
  const points = shape.points.map(pixels);
  const far = points.map(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length];
    const along = clamp(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2 || 1));
    return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
  });
  return far.indexOf(Math.min(...far));
}

function begin(kind) {
  const gate = document.getElementById("draw-gate").value || Object.keys(gates)[0];
  const points = kind === "line" ? [[0.5, 0.1], [0.5, 0.9]] : [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]];
  shape = { kind, points, gate, flip: false };
  document.getElementById("draw-hint").textContent = words("Hint");
  write();
  draw(0);
}

function move(index, point) {
  shape.points[index] = point;
  write();
  draw(index);
}

svg?.addEventListener("pointerdown", (event) => {
  if (!shape) return;
  const at = event.target.dataset?.point;
  if (at === undefined && shape.kind === "zone" && shape.points.length < 20) {
    const side = nearestSide(place(event));
    shape.points.splice(side + 1, 0, place(event));
    dragged = side + 1;
    move(dragged, place(event));
  } else if (at !== undefined) dragged = Number(at);
  if (dragged >= 0) { svg.setPointerCapture(event.pointerId); event.preventDefault(); }
});
svg?.addEventListener("pointermove", (event) => { if (dragged >= 0) move(dragged, place(event)); });
for (const name of ["pointerup", "pointercancel"]) svg?.addEventListener(name, () => { dragged = -1; });
svg?.addEventListener("keydown", (event) => {
  const index = Number(event.target.dataset?.point ?? -1);
  const step = event.shiftKey ? 0.05 : 0.01;
  const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (!shape || index < 0) return;
  if (by) {
    event.preventDefault();
    move(index, [clamp(shape.points[index][0] + by[0]), clamp(shape.points[index][1] + by[1])]);
  } else if (event.key === "Delete" && shape.kind === "zone" && shape.points.length > 3) {
    shape.points.splice(index, 1);
    write();
    draw(0);
  }
});

function swap() {
  if (!shape) return;
  if (shape.kind === "line") shape.points.reverse();
  else shape.flip = !shape.flip;
  write();
  draw();
}

async function ask() {
  const button = document.getElementById("draw-ask");
  button.disabled = true;
  said.textContent = words("Waiting");
  try {
    const body = JSON.stringify({ sensor: 0 });
    const url = `/v1/devices/${told.dataset.device}/picture`;
    const { wish } = await (await request(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })).json();
    said.textContent = await arrived(`${url}/${wish}`);
  } catch (error) {
    said.textContent = error.message;
  }
  announce(said.textContent);
  button.disabled = false;
}

async function arrived(url) {
  for (let tries = 0; tries < 50; tries += 1) {
    const answer = await request(url, { headers: { Accept: "image/jpeg, application/json" } });
    if (answer.headers.get("Content-Type") === "image/jpeg") {
      const picture = await createImageBitmap(await answer.blob());
      high = Math.round((WIDE * picture.height) / picture.width);
      canvas.width = WIDE;
      canvas.height = high;
      canvas.getContext("2d").drawImage(picture, 0, 0, WIDE, high);
      canvas.dataset.shown = "1";
      if (shape) draw(); else begin("line");
      document.getElementById("draw-hint").textContent = words("Hint");
      return words("Here");
    }
    const found = await answer.json();
    if (found.state === "refused") return found.reason;
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
  return words("Late");
}

if (stage) {
  stage.hidden = false;
  const choice = document.getElementById("draw-gate");
  for (const [id, names] of Object.entries(gates)) choice.append(new Option(names[told.dataset.language] ?? Object.values(names)[0], id));
  document.getElementById("draw-gate-box").hidden = Object.keys(gates).length < 2;
  choice.addEventListener("change", () => { if (shape) { shape.gate = choice.value; write(); } });
  document.getElementById("draw-ask")?.addEventListener("click", ask);
  document.getElementById("draw-line").addEventListener("click", () => begin("line"));
  document.getElementById("draw-zone").addEventListener("click", () => begin("zone"));
  document.getElementById("draw-swap").addEventListener("click", swap);
  document.getElementById("draw-source").addEventListener("input", write);
  text.addEventListener("input", read);
  addEventListener("resize", () => draw());
  read();
}
