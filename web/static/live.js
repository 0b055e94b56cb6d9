// The live page: asks twice a second whether something changed, swaps the parts that did, and draws today's flow.
import uPlot from "/vendor/uplot/uPlot.esm.js";
import { announce, freshenAges, language, serverNow } from "./shell.js";

const EVERY_MS = 500;
const box = document.getElementById("live-now");
const pill = document.getElementById("live-state");
const holder = document.getElementById("flow-chart");
const clock = (ms) => new Date(ms).toLocaleTimeString(language, { timeZone: box.dataset.zone, hour12: false });
let tag = "";
let failures = 0;
let chart = null;
let said = document.getElementById("live-open").textContent.trim();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const columns = () => JSON.parse(document.getElementById("live-series").dataset.series);

function show(state) {
  const words = { live: pill.dataset.liveWord, lost: `${pill.dataset.lostWord} · ${clock(serverNow())}`, paused: pill.dataset.pausedWord };
  if (pill.dataset.now === state) return;
  pill.dataset.now = state;
  pill.className = `pill ${{ live: "green", lost: "red", paused: "quiet" }[state]}`;
  pill.lastElementChild.textContent = words[state];
}

function swap(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const old = document.getElementById(part.id);
    if (!old || old.outerHTML === part.outerHTML) continue;
    const inside = old.contains(document.activeElement);
    const href = inside ? document.activeElement.getAttribute("href") : null;
    old.replaceWith(document.importNode(part, true));
    if (inside && href) document.getElementById(part.id).querySelector(`[href="${CSS.escape(href)}"]`)?.focus();
  }
  freshenAges(box);
  draw();
  const open = document.getElementById("live-open").textContent.trim();
  if (open && open !== said) announce(open);
  said = open;
}

async function ask() {
  if (document.hidden) { show("paused"); return; }
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(box.dataset.url, { headers, cache: "no-store", credentials: "same-origin", redirect: "error" });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag") ?? "";
      swap(await answer.text());
    } else if (answer.status !== 304) {
      throw new Error(String(answer.status));
    }
    failures = 0;
    show("live");
  } catch {
    failures += 1;
    if (failures > 1) show("lost");
  }
}

async function poll() {
  await ask();
  // A server that is away is asked less and less often, ten seconds at most.
  setTimeout(poll, Math.min(10_000, EVERY_MS * 2 ** Math.min(failures, 4)));
}

function options(width, height) {
  const grid = { stroke: colour("--chart-grid"), width: 1 };
  const axis = { stroke: colour("--muted"), font: `12px ${colour("--font")}`, ticks: { show: false } };
  const whole = (_, splits) => splits.map((each) => (Number.isInteger(each) ? each.toLocaleString(language) : ""));
  return {
    width, height, tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), box.dataset.zone),
    legend: { show: false }, padding: [10, 4, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(5, max * 1.08)] }, inside: { range: (_, __, max) => [0, Math.max(10, max * 1.15)] } },
    axes: [
      { ...axis, grid, space: 62, size: 30, values: (_, splits) => splits.map((each) => clock(each * 1000).slice(0, 5)) },
      { ...axis, grid, size: 44, values: whole },
      { ...axis, scale: "inside", side: 1, grid: { show: false }, size: 52, values: whole },
    ],
    series: [
      {},
      { stroke: colour("--chart-in"), width: 2, points: { show: false } },
      { stroke: colour("--chart-out"), width: 2, dash: [6, 4], points: { show: false } },
      { stroke: colour("--chart-inside"), width: 2, scale: "inside", fill: colour("--chart-fill"), points: { show: false } },
    ],
    hooks: { setCursor: [tip] },
  };
}

function tip(plot) {
  let card = holder.querySelector(".chart-tip");
  const at = plot.cursor.idx;
  if (at == null || plot.cursor.left < 0) { card?.remove(); return; }
  if (!card) { card = document.createElement("div"); card.className = "chart-tip"; holder.append(card); }
  const row = (label, value) => `<dt>${label}</dt><dd>${value == null ? "…" : value.toLocaleString(language)}</dd>`;
  const [seconds, entries, exits, inside] = plot.data;
  card.innerHTML = `<strong>${clock(seconds[at] * 1000).slice(0, 5)}</strong><dl>${row(holder.dataset.in, entries[at])}${row(holder.dataset.out, exits[at])}${row(holder.dataset.inside, inside[at])}</dl>`;
  const left = plot.cursor.left + plot.bbox.left / devicePixelRatio;
  card.style.left = `${left + (left > holder.clientWidth / 2 ? -card.offsetWidth - 12 : 12)}px`;
}

function draw() {
  const data = columns();
  if (chart) chart.setData(data);
  else chart = new uPlot(options(holder.clientWidth, holder.clientHeight), data, holder);
}

function redraw() {
  chart?.destroy();
  chart = null;
  draw();
}

new ResizeObserver(() => chart?.setSize({ width: holder.clientWidth, height: holder.clientHeight })).observe(holder);
document.addEventListener("themechange", redraw);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
draw();
show("live");
setTimeout(poll, EVERY_MS);
