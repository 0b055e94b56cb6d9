// What each camera does, drawn on its still: the text below is what is saved, and the drawing changes that text.
import { request, announce } from "./shell.js";
import { begun, camerasOf, inside, nearestSide, putShapes, shapesOf } from "./device_shapes.js";

const at = (id) => document.getElementById(id);
const told = at("told");
const text = at("f-document");
const stage = at("draw");
const svg = at("draw-lines");
const canvas = at("draw-picture");
const said = at("draw-said");
const NS = "http://www.w3.org/2000/svg";
const WIDE = 960;
const MOST_CORNERS = 20;
const gates = told ? JSON.parse(told.dataset.gates) : {};
const pictures = new Map(); // number of the camera -> its picture, on this page only
let chosen = 0; // number of the camera that is drawn on
let shapes = []; // its lines and zones: {kind, points: [[x, y]…] or null, gate, flip, entry}, in fractions of the picture
let active = 0; // number of the one whose points can be moved
let high = 540;
let dragged = -1;
let scale = 1; // On a phone the picture is small, and a finger is not.

const words = (name) => told.dataset[`text${name}`];
const clamp = (value) => Math.min(1, Math.max(0, value));
const shape = () => (shapes[active]?.points ? shapes[active] : null);
const gateName = (id) => gates[id]?.[told.dataset.language] ?? Object.values(gates[id] ?? {})[0] ?? id;

function parsed() {
  try { return JSON.parse(text.value); } catch { return null; }
}

function read() {
  const whole = parsed();
  const cameras = camerasOf(whole);
  if (!whole) said.textContent = words("Broken");
  if (chosen >= cameras.length) chosen = 0;
  const camera = cameras[chosen];
  listCameras(cameras);
  at("draw-source").value = camera?.source ?? "";
  shapes = camera ? shapesOf(camera, Object.keys(gates)[0]) : [];
  active = Math.min(active, Math.max(0, shapes.length - 1));
  draw();
}

/** Put the drawing and the address of the chosen camera into the text; the other cameras stay as they are. */
function write() {
  const whole = parsed();
  const camera = camerasOf(whole)[chosen];
  if (!camera) { said.textContent = words("Broken"); return; }
  camera.source = at("draw-source").value.trim();
  if (shapes.length || camera.line || camera.zone) putShapes(camera, shapes);
  text.value = JSON.stringify(whole, null, 2);
}

function listCameras(cameras) {
  const choice = at("draw-camera");
  choice.replaceChildren(...cameras.map((each, index) => new Option(`${index + 1}: ${each.source || "–"}`, index)));
  choice.value = String(chosen);
  at("draw-camera-box").hidden = cameras.length < 2;
}

/** Look at another camera; its picture comes back when it was asked for before. */
function choose(number) {
  [chosen, active] = [number, 0];
  delete canvas.dataset.shown;
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  if (pictures.has(number)) show(pictures.get(number));
  read();
}

function addCamera() {
  const whole = parsed();
  if (!Array.isArray(whole?.sensor)) { said.textContent = words("Broken"); return; }
  whole.sensor.push({ kind: "camera", source: "" });
  text.value = JSON.stringify(whole, null, 2);
  choose(camerasOf(whole).length - 1);
  at("draw-source").focus();
}

// --- the drawing -------------------------------------------------------------------------------------------------------

function element(name, attributes) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const pixels = ([x, y]) => [x * WIDE, y * high];

function draw(focus = -1) {
  at("draw-stage").hidden = !shapes.some((each) => each.points) && !canvas.dataset.shown;
  scale = Math.min(3, Math.max(1, WIDE / (svg.clientWidth || WIDE)));
  svg.style.setProperty("--scale", scale);
  svg.setAttribute("viewBox", `0 0 ${WIDE} ${high}`);
  svg.replaceChildren();
  shapes.forEach((each, index) => { if (each.points && index !== active) drawOther(each, index); });
  if (shape()) drawActive(shape());
  listShapes();
  if (focus >= 0) svg.querySelector(`[data-point="${focus}"]`)?.focus();
}

const outline = (each) => [each.kind === "line" ? "polyline" : "polygon", each.points.map((one) => pixels(one).join(",")).join(" ")];

/** One that is not being moved: thin, with its number, and wide enough for a finger to choose it. */
function drawOther(each, index) {
  const [name, points] = outline(each);
  svg.append(element(name, { points, class: "draw-other" }), element(name, { points, class: "draw-hit", "data-shape": index }));
  const [x, y] = pixels(each.points[0]);
  const number = element("text", { x: Math.min(WIDE - 20 * scale, x + 18 * scale), y: Math.max(30 * scale, y), class: "draw-word" });
  number.textContent = index + 1;
  svg.append(number);
}

function drawActive(each) {
  const [name, points] = outline(each);
  svg.append(element(name, { points, class: "draw-edge" }));
  drawArrow(each, each.points.map(pixels));
  each.points.forEach((point, index) => svg.append(handle(point, index)));
}

/** From the middle of the line (or of the zone's first side) towards where `in` is. */
function drawArrow(each, points) {
  const [[x1, y1], [x2, y2]] = points;
  const [middleX, middleY] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const long = Math.hypot(x2 - x1, y2 - y1) || 1;
  let [towardsX, towardsY] = [-(y2 - y1) / long, (x2 - x1) / long];
  if (each.kind === "zone" && !inside([middleX + towardsX * 4, middleY + towardsY * 4], points)) [towardsX, towardsY] = [-towardsX, -towardsY];
  if (each.flip) [towardsX, towardsY] = [-towardsX, -towardsY];
  const [endX, endY] = [middleX + towardsX * 80 * scale, middleY + towardsY * 80 * scale];
  const wing = (turn) => {
    const angle = Math.atan2(towardsY, towardsX) + turn;
    return `${endX - 24 * scale * Math.cos(angle)},${endY - 24 * scale * Math.sin(angle)}`;
  };
  svg.append(element("line", { x1: middleX, y1: middleY, x2: endX, y2: endY, class: "draw-arrow" }));
  svg.append(element("polyline", { points: `${wing(0.5)} ${endX},${endY} ${wing(-0.5)}`, class: "draw-arrow" }));
  const labelX = Math.min(WIDE - 60 * scale, Math.max(60 * scale, endX + towardsX * 58 * scale)); // never cut by the picture's edge
  const label = element("text", { x: labelX, y: endY + (towardsY * 32 + (Math.abs(towardsX) > 0.5 ? -24 : 10)) * scale, class: "draw-word" });
  label.textContent = words("In");
  svg.append(label);
}

function handle(point, index) {
  const [x, y] = pixels(point);
  const made = element("circle", { cx: x, cy: y, r: 15 * scale, class: "draw-point", tabindex: 0, role: "button", "data-point": index });
  made.setAttribute("aria-label", `${words("Point")} ${index + 1}: ${Math.round(point[0] * 100)} %, ${Math.round(point[1] * 100)} %`);
  return made;
}

/** A button for each line and zone: the way to choose one by keyboard, or where two lie over each other. */
function listShapes() {
  const list = at("draw-shapes");
  list.hidden = shapes.length < 2;
  const several = Object.keys(gates).length > 1;
  list.replaceChildren(...shapes.map((each, index) => {
    const made = document.createElement("button");
    made.type = "button";
    made.dataset.choose = index;
    made.setAttribute("aria-pressed", String(index === active));
    const kind = words(each.kind === "line" ? "Line" : "Zone");
    made.textContent = `${index + 1} ${kind}${several ? ` · ${gateName(each.gate)}` : ""}`;
    return made;
  }));
  at("draw-remove").disabled = at("draw-swap").disabled = !shapes.length;
  if (shapes[active]) at("draw-gate").value = shapes[active].gate;
}

// --- what a hand does --------------------------------------------------------------------------------------------------

function place(event) {
  const box = svg.getBoundingClientRect();
  return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
}

function take(index) {
  active = index;
  draw();
}

function begin(kind) {
  if (parsed() && !camerasOf(parsed()).length) addCamera();
  const gate = freeGate();
  shapes.push(begun(kind, gate, shapes.length));
  active = shapes.length - 1;
  at("draw-hint").textContent = words("Hint");
  write();
  draw(0);
}

/** Each line and zone of a camera has a gate of its own: the chosen one, or else the first that has none yet. */
function freeGate() {
  const names = Object.keys(gates);
  const taken = new Set(shapes.map((each) => each.gate));
  const chosenGate = at("draw-gate").value;
  return taken.has(chosenGate) || !chosenGate ? names.find((each) => !taken.has(each)) ?? names[0] : chosenGate;
}

function remove() {
  shapes.splice(active, 1);
  active = Math.max(0, active - 1);
  write();
  draw();
}

function swap() {
  if (!shape()) return;
  if (shape().kind === "line") shape().points.reverse();
  else shape().flip = !shape().flip;
  write();
  draw();
}

function move(index, point) {
  shape().points[index] = point;
  write();
  draw(index);
}

function press(event) {
  const { point, shape: other } = event.target.dataset ?? {};
  if (other !== undefined) { take(Number(other)); return; }
  if (!shape()) return;
  if (point !== undefined) dragged = Number(point);
  else if (shape().kind === "zone" && shape().points.length < MOST_CORNERS) {
    const here = place(event);
    dragged = nearestSide(pixels(here), shape().points.map(pixels)) + 1;
    shape().points.splice(dragged, 0, here);
    move(dragged, here);
  }
  if (dragged >= 0) { svg.setPointerCapture(event.pointerId); event.preventDefault(); }
}

function key(event) {
  const index = Number(event.target.dataset?.point ?? -1);
  const step = event.shiftKey ? 0.05 : 0.01;
  const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
  if (!shape() || index < 0) return;
  const { kind, points } = shape();
  if (by) {
    event.preventDefault();
    move(index, [clamp(points[index][0] + by[0]), clamp(points[index][1] + by[1])]);
  } else if (event.key === "Delete" && kind === "zone" && points.length > 3) {
    points.splice(index, 1);
    write();
    draw(0);
  }
}

// --- the picture -------------------------------------------------------------------------------------------------------

async function ask() {
  const [button, camera] = [at("draw-ask"), chosen];
  button.disabled = true;
  said.textContent = words("Waiting");
  try {
    const body = JSON.stringify({ sensor: camera });
    const url = `/v1/devices/${told.dataset.device}/picture`;
    const { wish } = await (await request(url, { method: "POST", body, headers: { "Content-Type": "application/json" } })).json();
    said.textContent = await arrived(`${url}/${wish}`, camera);
  } catch (error) {
    said.textContent = error.message;
  }
  announce(said.textContent);
  button.disabled = false;
}

async function arrived(url, camera) {
  for (let tries = 0; tries < 50; tries += 1) {
    const answer = await request(url, { headers: { Accept: "image/jpeg, application/json" } });
    if (answer.headers.get("Content-Type") === "image/jpeg") {
      pictures.set(camera, await createImageBitmap(await answer.blob()));
      if (camera !== chosen) return words("Here");
      show(pictures.get(camera));
      if (shapes.length) draw(); else begin("line");
      at("draw-hint").textContent = words("Hint");
      return words("Here");
    }
    const found = await answer.json();
    if (found.state === "refused") return found.reason;
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
  return words("Late");
}

function show(picture) {
  high = Math.round((WIDE * picture.height) / picture.width);
  canvas.width = WIDE;
  canvas.height = high;
  canvas.getContext("2d").drawImage(picture, 0, 0, WIDE, high);
  canvas.dataset.shown = "1";
}

if (stage) {
  stage.hidden = false;
  const choice = at("draw-gate");
  for (const id of Object.keys(gates)) choice.append(new Option(gateName(id), id));
  at("draw-gate-box").hidden = Object.keys(gates).length < 2;
  choice.addEventListener("change", () => { if (shapes[active]) { shapes[active].gate = choice.value; write(); draw(); } });
  at("draw-ask")?.addEventListener("click", ask);
  at("draw-line").addEventListener("click", () => begin("line"));
  at("draw-zone").addEventListener("click", () => begin("zone"));
  at("draw-swap").addEventListener("click", swap);
  at("draw-remove").addEventListener("click", remove);
  at("draw-more").addEventListener("click", addCamera);
  at("draw-camera").addEventListener("change", (event) => choose(Number(event.target.value)));
  at("draw-shapes").addEventListener("click", ({ target }) => {
    const index = target.dataset.choose;
    if (index === undefined) return;
    take(Number(index));
    at("draw-shapes").children[index].focus();
  });
  at("draw-source").addEventListener("input", write);
  text.addEventListener("input", read);
  svg.addEventListener("pointerdown", press);
  svg.addEventListener("pointermove", (event) => { if (dragged >= 0) move(dragged, place(event)); });
  for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => { dragged = -1; });
  svg.addEventListener("keydown", key);
  addEventListener("resize", () => draw());
  read();
}
