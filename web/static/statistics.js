// The statistics chart: one line per place over the rows of the table, with the value under the pointer.
import uPlot from "/vendor/uplot/uPlot.esm.js";
import { language } from "./shell.js";

const holder = document.getElementById("stat-chart");
const COLOURS = ["--chart-in", "--chart-out", "--chart-inside", "--red", "--green", "--muted", "--blue", "--orange"];
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4], [1, 4], [8, 8]];
const MOST = 8;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const number = (value) => (value == null ? "▒" : value.toLocaleString(language));
let chart = null;

function series(data) {
  // The busiest places, drawn in the table's order; a picture of thirty lines shows nothing.
  const sum = (values) => values.reduce((total, each) => total + (each ?? 0), 0);
  const ranked = data.places.map((name, at) => ({ name, at, sum: sum(data.values[at] ?? []) }));
  return ranked.sort((a, b) => b.sum - a.sum).slice(0, MOST).sort((a, b) => a.at - b.at);
}

function legend(lines) {
  const list = document.getElementById("stat-legend");
  list.replaceChildren(...lines.map((line, n) => {
    const item = document.createElement("li");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "swatch");
    const stroke = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: 20, y1: 5, y2: 5, stroke: colour(COLOURS[n]), "stroke-width": 3, "stroke-dasharray": DASHES[n % DASHES.length].join(" ") })) stroke.setAttribute(name, value);
    svg.append(stroke);
    item.append(svg, line.name);
    return item;
  }));
}

function tip(plot, data, lines) {
  let card = holder.querySelector(".chart-tip");
  const at = plot.cursor.idx;
  if (at == null || plot.cursor.left < 0) { card?.remove(); return; }
  if (!card) { card = document.createElement("div"); card.className = "chart-tip"; holder.append(card); }
  const title = document.createElement("strong");
  title.textContent = data.labels[at];
  const facts = document.createElement("dl");
  for (const line of lines) {
    const name = document.createElement("dt");
    const value = document.createElement("dd");
    name.textContent = line.name;
    value.textContent = number(data.values[line.at][at]);
    facts.append(name, value);
  }
  card.replaceChildren(title, facts);
  const left = plot.cursor.left + plot.bbox.left / devicePixelRatio;
  card.style.left = `${left + (left > holder.clientWidth / 2 ? -card.offsetWidth - 12 : 12)}px`;
}

function draw() {
  const data = JSON.parse(holder.dataset.series);
  const lines = series(data);
  const grid = { stroke: colour("--chart-grid"), width: 1 };
  const axis = { stroke: colour("--muted"), font: `12px ${colour("--font")}`, ticks: { show: false }, grid };
  const short = (label) => (label.length > 10 ? label.slice(5, 16) : label.length === 10 ? label.slice(5) : label);
  const whole = (_, splits) => splits.map((each) => (Number.isInteger(each) ? each.toLocaleString(language) : ""));
  legend(lines);
  chart?.destroy();
  chart = new uPlot({
    width: holder.clientWidth, height: holder.clientHeight, legend: { show: false }, padding: [10, 12, 0, 0],
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { time: false, range: (_, min, max) => [min - 0.3, max + 0.3] }, y: { range: (_, __, max) => [0, Math.max(5, max * 1.08)] } },
    axes: [
      { ...axis, space: 84, size: 30, incrs: [1, 2, 3, 4, 6, 7, 12, 14, 24, 48, 96, 168], values: (_, splits) => splits.map((each) => (Number.isInteger(each) && data.labels[each] ? short(data.labels[each]) : "")) },
      { ...axis, size: 54, values: whole },
    ],
    series: [{}, ...lines.map((_, n) => ({ stroke: colour(COLOURS[n]), width: 2, dash: DASHES[n % DASHES.length], points: { show: data.labels.length < 40, size: 6 }, spanGaps: false }))],
    hooks: { setCursor: [(plot) => tip(plot, data, lines)] },
  }, [data.labels.map((_, n) => n), ...lines.map((line) => data.values[line.at])], holder);
}

if (holder) {
  draw();
  new ResizeObserver(() => chart?.setSize({ width: holder.clientWidth, height: holder.clientHeight })).observe(holder);
  document.addEventListener("themechange", draw);
}
