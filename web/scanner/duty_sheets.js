// Sheets for a guard on duty: emergency, roll call, guests and their slip, notes, the office's number, paper.

import "./duty_text.js";
import { h, hold, onEnter } from "./dom.js";
import { choices, open, unitPad } from "./sheets.js";
import { clockOf, dayOf, t } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const REASONS = ["fire", "gas", "quake", "drill", "other"];
const CONFIRMED = ["phone", "present", "expected", "no"];
const PAPER_LINES = 18;

/** Something that cannot be done by accident; true when it was held. */
export function confirm(title, what, words) {
  return open(title, (finish) => [h("p", {}, what), hold(h("button.go", {}, words), () => finish(true))]);
}

// ---- roll call ---------------------------------------------------------------------------------------------------------

/** {zone, reason} or null. */
export function rollCallOf(zones, chosen) {
  const wanted = { zone: zones.some(([zone]) => zone === chosen) ? chosen : zones[0]?.[0], reason: "fire" };
  const pick = h("select", { ariaLabel: t("roll_zone") }, ...zones.map(([zone, words]) => h("option", { value: zone, selected: zone === wanted.zone }, words)));
  pick.onchange = () => (wanted.zone = pick.value);
  return open(t("roll_title"), (finish) => [
    h("p.hint", {}, t("roll_what")),
    h("label.field", {}, t("roll_zone"), pick),
    choices(REASONS.map((each) => [each, t(`roll_${each}`)]), wanted.reason, (each) => (wanted.reason = each)),
    hold(h("button.go", {}, t("roll_begin")), () => finish(wanted)),
  ]);
}

/** The list by building and unit, to be ticked off and printed. */
export function rollCall(call, zones, ticks, tap) {
  const total = h("p.say", { role: "status" });
  const draw = () => {
    const found = call.people.filter((each) => ticks.has(each.key)).length;
    total.replaceChildren(h("strong", {}, t("roll_found", { n: found, all: call.people.length })));
  };
  draw();
  const shows = [draw];
  const line = (each) => {
    const by = h("small.by");
    const box = h("button.tick", { role: "checkbox" }, h("span.box"), h("span.what", {}, each.name, h("small", {}, each.unit ?? "—")), by);
    const show = () => (box.setAttribute("aria-checked", String(ticks.has(each.key))), (by.textContent = ticks.by(each.key)));
    box.onclick = () => (tap(each.key), ticks.changed());
    shows.push(show);
    show();
    return h("li", {}, box);
  };
  // Another guard's ticks arrive while the list is open.
  ticks.changed = () => shows.forEach((show) => show());
  const unnamed = call.unnamed ? h("p.wrong", {}, t("roll_unnamed", { n: call.unnamed })) : null;
  return open(t("roll_of", { zone: zones[call.zone] ?? call.zone }), () => [
    total,
    h("p.hint", {}, t("roll_as_of", { at: `${dayOf(call.as_of_ms)} ${clockOf(call.as_of_ms)}` })), unnamed,
    h("ul.list.roll", {}, ...call.people.map(line)),
    h("button.plain.no-print", { onclick: () => print() }, t("print")),
  ].filter(Boolean));
}

// ---- guests ------------------------------------------------------------------------------------------------------------

/** {class, unit, party, valid_min, confirmed}: nobody comes in as a guest without the host's word. */
export function guest(ask) {
  const pad = unitPad();
  const wanted = { party: 1, valid_min: 240, confirmed: null };
  return open(t("guest_title"), (finish) => {
    const wrong = h("p.wrong", { role: "alert" });
    const go = h("button.go", {}, t("let_in"));
    go.onclick = () => {
      if (!pad.value()) wrong.textContent = t("guest_unit_first");
      else if (!wanted.confirmed) (wrong.textContent = t("guest_ask_first")), hosts.scrollIntoView({ block: "center" });
      else finish({ unit: pad.value(), ...wanted });
    };
    const answer = (each) => {
      wanted.confirmed = each;
      go.textContent = t(each === "no" ? "turn_back" : "let_in");
    };
    const hosts = choices(CONFIRMED.map((each) => [each, t(`host_${each}`)]), null, answer);
    return [
      ...pad.nodes,
      h("p.label", {}, t("guest_party")),
      choices([1, 2, 3, 4, 5].map((n) => [n, `${n}`]), 1, (n) => (wanted.party = n)),
      choices([60, 240, 1440].map((n) => [n, t(`stay_${n}`)]), 240, (n) => (wanted.valid_min = n)),
      h("p.label", {}, t("guest_host")),
      ask ? byPhone(ask, () => ({ unit: pad.value(), party: wanted.party }), (said) => (Object.assign(wanted, said), answer(said.confirmed), go.scrollIntoView({ block: "end" }))) : null,
      hosts, h("div.foot", {}, wrong, go),
    ];
  });
}

/** A button that asks the household on its phones and says how that goes; `heard` is told the answer. */
function byPhone(ask, about, heard) {
  const said = h("p.hint", { role: "status" });
  const go = h("button.plain", { id: "ask-host" }, t("host_ask"));
  go.onclick = async () => {
    if (!about().unit) return (said.textContent = t("guest_unit_first"));
    go.disabled = true;
    const found = await ask(about(), (words) => (said.textContent = words), () => said.isConnected);
    go.disabled = false;
    if (!found) return;
    said.textContent = t(`host_app_${found.answer}`);
    heard(found.answer === "yes" ? { confirmed: "app", ask: found.ask } : { confirmed: "no" });
  };
  return h("div", {}, go, said);
}

/** What the guest takes along, as a photo or on paper, and shows on the way out. */
export function slip({ qr, until_ms: untilMs }, unit, gate) {
  const until = `${dayOf(untilMs)} ${clockOf(untilMs).slice(0, 5)}`;
  return open(t("slip_title"), (finish) => [
    h("div.slip", {}, picture(qr), h("strong", {}, `${t("guest")} · ${unit}`), h("span", {}, t("slip_until", { until })), h("span", {}, gate)),
    h("p.hint", {}, t("slip_hint")),
    h("div.row.no-print", {}, h("button.plain", { onclick: () => print() }, t("print")), h("button.go", { onclick: () => finish(true) }, t("pin_ok"))),
  ]);
}

/** Black on white whatever the theme, with its quiet zone. */
function picture(rows) {
  const [svg, path] = ["svg", "path"].map((name) => document.createElementNS(SVG, name));
  const side = rows.length + 8;
  svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", t("slip_title"));
  svg.setAttribute("shape-rendering", "crispEdges");
  const dark = rows.flatMap((row, y) => [...row].map((bit, x) => (bit === "1" ? `M${x + 4} ${y + 4}h1v1h-1z` : "")));
  path.setAttribute("d", dark.join(""));
  svg.append(path);
  return svg;
}

// ---- notes and the office ------------------------------------------------------------------------------------------------

export function note(before) {
  return open(t("note"), (finish) => {
    const text = h("input", { value: before, maxLength: 200, ariaLabel: t("note"), autocomplete: "off" });
    onEnter(text, () => finish(text.value.trim()));
    return [h("label.field", {}, t("note_hint"), text), h("button.go", { onclick: () => finish(text.value.trim()) }, t("pin_ok"))];
  });
}

/** The office's number, as the community's page has it. */
export function call(number) {
  return open(t("call"), (finish) => {
    if (!number) return [h("p", {}, t("call_none")), h("button.go", { onclick: () => finish(true) }, t("pin_ok"))];
    return [hold(h("button.go", {}, t("call_hold", { n: number })), () => ((location.href = `tel:${number}`), finish(true)))];
  });
}

// ---- paper ----------------------------------------------------------------------------------------------------------------

/** {unit, direction, at_ms} of one line, or null. The same sheet prints empty lines for the next power cut. */
export function paper(language, nowMs) {
  const pad = unitPad();
  const wanted = { direction: "in" };
  const at = h("input", { type: "datetime-local", value: localText(nowMs), max: localText(nowMs), ariaLabel: t("paper_at") });
  const wrong = h("p.wrong", { role: "alert" });
  return open(t("paper_title"), (finish) => {
    const done = () => {
      const atMs = new Date(at.value).getTime();
      if (!pad.value() || !(atMs <= nowMs)) wrong.textContent = t("paper_wrong");
      else finish({ unit: pad.value(), at_ms: atMs, ...wanted });
    };
    return [
      h("div.no-print.body", {},
        h("p.hint", {}, t("paper_hint")), ...pad.nodes,
        h("label.field", {}, t("paper_at"), at),
        choices(["in", "out"].map((each) => [each, t(each)]), "in", (each) => (wanted.direction = each)),
        h("div.foot", {}, wrong, h("button.go", { onclick: done }, t("paper_enter"))), h("button.plain", { onclick: () => print() }, t("paper_print"))),
      lines(),
    ];
  });
}

function lines() {
  const head = ["paper_time", "unit", "direction", "paper_who"].map((key) => h("th", {}, t(key)));
  const empty = () => h("tr", {}, ...head.map(() => h("td", {}, " ")));
  return h("table.print-only", {}, h("tr", {}, ...head), ...Array.from({ length: PAPER_LINES }, empty));
}

/** A moment as a field for local times has it. */
function localText(ms) {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 16);
}
