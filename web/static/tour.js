// The tour's gate: holds up cards by keys 1-6, keeps reports while the "network" is off, and sends them like any device.
import { request } from "./shell.js";

const panel = document.getElementById("tour");
const STORE = "tour-queue";
const [high, low] = crypto.getRandomValues(new Uint32Array(2));
const boot = (high % 2 ** 20) * 2 ** 32 + low + 1;
let seq = 0;
let online = true;
let shown = null;
let devices = null;

const queue = () => JSON.parse(localStorage.getItem(STORE) ?? "[]");
const keep = (rows) => localStorage.setItem(STORE, JSON.stringify(rows));
const post = (url, body) => request(url, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

function say(tone, word, why) {
  const box = document.getElementById("tour-result");
  box.className = `banner ${tone}`;
  document.getElementById("tour-word").textContent = word;
  document.getElementById("tour-why").textContent = why;
}

function showQueue() {
  const line = document.getElementById("tour-queue");
  const waiting = queue().length;
  line.hidden = waiting === 0;
  line.textContent = `${panel.dataset.waitingWord} ${waiting}`;
}

function add(device, report) {
  seq += 1;
  keep([...queue(), { device, report: { ...report, boot, seq, at: Date.now(), skew_ms: 0 } }]);
  showQueue();
}

/** Send what waits, device by device; only what the server answered leaves the queue. */
async function sync() {
  if (!online || !queue().length) return;
  devices ??= await (await post("/demo/devices", {})).json();
  for (const name of ["phone", "camera"]) {
    const mine = queue().filter((row) => row.device === name);
    if (!mine.length) continue;
    const answer = await fetch("/v1/reports", {
      method: "POST",
      headers: { Authorization: `Bearer ${devices[name].token}`, "Content-Type": "application/json" },
      body: JSON.stringify({ batch: `tour-${boot}-${seq}`, reports: mine.map((row) => row.report) }),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const kept = new Set((await answer.json()).results.map((row) => `${row.boot}:${row.seq}`));
    keep(queue().filter((row) => !kept.has(`${row.report.boot}:${row.report.seq}`)));
  }
  showQueue();
}

const tones = { allow: "green", check: "orange", stop: "red" };

async function present(what) {
  if (what === "again" && !shown) { say("orange", "", panel.dataset.first); return; }
  const answer = await (await post("/demo/present", { what, shown: what === "again" ? shown : null })).json();
  if (what === "resident") shown = answer.report.pass;
  add("phone", answer.report);
  // The camera above the gate sees whoever walks through.
  if (answer.bodies) add("camera", { ...(await (await request("/demo/body")).json()), direction: answer.report.direction });
  const language = document.documentElement.lang.slice(0, 2);
  const who = answer.name ? ` · ${answer.name}` : "";
  await deliver();
  const where = online ? panel.dataset.kept : panel.dataset.queued;
  say(tones[answer.decision], `${answer.sentences[language]}${who}`, `${panel.dataset[`why${what[0].toUpperCase()}${what.slice(1)}`]} ${where}`);
}

async function bodyMore() {
  add("camera", await (await request("/demo/body")).json());
  await deliver();
  say("orange", "", panel.dataset.body);
}

async function deliver() {
  await sync().catch((error) => { if (online) say("red", "", error.message); });
}

async function act(work) {
  try {
    await work();
  } catch (error) {
    say("orange", "", error.status === 404 ? panel.dataset.loading : error.message);
  }
}

async function switchNetwork() {
  const button = document.getElementById("tour-network");
  online = !online;
  button.setAttribute("aria-pressed", String(!online));
  button.lastElementChild.textContent = online ? panel.dataset.online : panel.dataset.offline;
  const waited = queue().length;
  if (!online || !waited) return;
  await deliver();
  say("green", "", panel.dataset.synced);
}

/** Shows how far the loading is; true when there is something new to see. */
async function loadedMore() {
  const state = await (await request("/demo/status")).json();
  const number = new Intl.NumberFormat(document.documentElement.lang);
  document.getElementById("demo-done").textContent = number.format(state.done);
  document.getElementById("demo-total").textContent = number.format(state.total);
  const bar = document.getElementById("demo-bar");
  bar.max = state.total || 1;
  bar.value = state.done;
  const appeared = !document.getElementById("live-now") && !["waiting", "people"].includes(state.stage);
  return state.stage === "done" || state.stage === "failed" || appeared;
}

async function watchLoading() {
  const box = document.getElementById("demo-loading");
  if (!box || box.dataset.stage === "failed") return;
  // A question that fails (the server restarts, the session ends) is asked again.
  while (!(await loadedMore().catch(() => false))) await new Promise((resolve) => { setTimeout(resolve, 1000); });
  location.reload();
}

if (panel) {
  for (const button of panel.querySelectorAll("[data-present]")) {
    button.addEventListener("click", () => act(() => present(button.dataset.present)));
  }
  document.getElementById("tour-body").addEventListener("click", () => act(bodyMore));
  document.getElementById("tour-network").addEventListener("click", () => act(switchNetwork));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, dialog[open]")) return;
    if (event.key === "6") document.getElementById("tour-body").click();
    else panel.querySelector(`[data-digit="${CSS.escape(event.key)}"]`)?.click();
  });
  showQueue();
  deliver();
}
watchLoading();
