// What slides up over the camera: courier, guest, by hand, last scans, undo, exception, PIN, direction, more.

import { h, hold, icon, onEnter } from "./dom.js";
import { clockOf, language, t } from "./text.js";

let current = null;

export const close = () => current?.close();

export const isOpen = () => Boolean(current?.open); // it is told of its end a moment later

/** Show a sheet; resolves with what `finish` was called with, or null when it was closed. */
export function open(title, body) {
  close();
  return new Promise((resolve) => {
    let answer = null;
    // An element of its own each time: the one before tells of its end only after this one has begun.
    const sheet = h("dialog.sheet", { id: "sheet", ariaLabel: title });
    const finish = (value) => ((answer = value), sheet.close());
    const shut = h("button.icon", { onclick: () => sheet.close(), ariaLabel: t("close") }, icon("i-close"));
    sheet.append(h("header", {}, h("h2", {}, title), shut), h("div.body", {}, ...[body(finish)].flat()));
    // Listened to: a handler of `onclick` that gives false undoes links and file choosers inside the sheet.
    sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
    sheet.onclose = () => {
      sheet.remove();
      if (current === sheet) current = null;
      resolve(answer);
    };
    document.body.append(sheet);
    current = sheet;
    sheet.showModal();
  });
}

/** One of a few reasons; resolves with its code or null. */
export function reasons(title, keys, more = []) {
  return open(title, (finish) => [...keys.map((key) => h("button.plain", { onclick: () => finish(key) }, t(key))), ...more]);
}

// ---- the unit on a number pad ----------------------------------------------------------------------------------------

const PARTS = [["building", 3], ["door", 2], ["room", 5]];
const PART_WORDS = { zh: ["楼", "单元", "室"], en: ["bldg", "unit", "room"] };

/** A building-unit-room that is typed with one thumb; `value()` is "7-3-1102" or "". */
export function unitPad() {
  const values = ["", "", ""];
  let at = 0;
  const shown = PARTS.map((_, place) => h("button", { onclick: () => ((at = place), draw()) }));
  const fields = h("div.number", {}, shown[0], "–", shown[1], "–", shown[2]);
  const press = (digit) => {
    values[at] = (values[at] + digit).slice(0, PARTS[at][1]);
    if (values[at].length === PARTS[at][1] && at < 2) at += 1;
    draw();
  };
  const erase = () => {
    if (!values[at] && at > 0) at -= 1;
    values[at] = values[at].slice(0, -1);
    draw();
  };
  const next = () => ((at = (at + 1) % 3), draw());
  function draw() {
    shown.forEach((button, place) => {
      button.classList.toggle("on", place === at);
      button.replaceChildren(values[place] || "·", h("small", {}, PART_WORDS[language()][place]));
    });
  }
  draw();
  const keys = [..."123456789"].map((digit) => h("button", { onclick: () => press(digit) }, digit));
  const pad = h(
    "div.pad", {}, ...keys, h("button", { onclick: erase, ariaLabel: t("erase") }, icon("i-erase")),
    h("button", { onclick: () => press("0") }, "0"), h("button", { onclick: next, ariaLabel: t("next") }, icon("i-next")),
  );
  return { nodes: [fields, pad], value: () => values.filter(Boolean).join("-") };
}

export function choices(options, chosen, pick) {
  const buttons = options.map(([value, words]) => h("button", { ariaPressed: String(value === chosen), onclick: () => choose(value) }, words));
  function choose(value) {
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(options[place][0] === value)));
    pick(value);
  }
  return h("div.choices", {}, ...buttons);
}

// ---- visitors ---------------------------------------------------------------------------------------------------------

/** {class, unit, party, valid_min} of a courier: two taps without a unit. */
export function courier() {
  const pad = unitPad();
  return open(t("courier_title"), (finish) => {
    const done = () => finish({ class: "delivery", unit: pad.value() || null, party: 1, valid_min: 60 });
    return [h("p.hint", {}, `${t("unit")} · ${t("courier_hint")}`), ...pad.nodes, h("button.go", { onclick: done }, t("let_in"))];
  });
}

// ---- by hand ----------------------------------------------------------------------------------------------------------

/** {ref, listed}, {tag} or {claimed: unit}. `search(text)` gives rows or throws with a sentence. */
export function byHand({ online, search }) {
  const pad = unitPad();
  return open(t("hand_title"), (finish) => {
    const found = h("ul.list");
    const words = h("input", { placeholder: t("hand_example"), autocapitalize: "off", autocomplete: "off", enterKeyHint: "search" });
    const claim = h("button.plain", { onclick: () => pad.value() && finish({ claimed: pad.value() }) }, t("hand_claim"));
    if (!online) return [h("p.hint", {}, t("hand_offline")), ...pad.nodes, claim];
    const look = async () => {
      const text = words.value.trim() || pad.value();
      if (/^[0-9A-Fa-f:]{8,}$/.test(text)) return finish({ tag: text });
      found.replaceChildren(...(await rows(text, search, finish)));
      found.scrollIntoView({ block: "center" });
    };
    onEnter(words, look);
    return [
      ...pad.nodes, h("label.field", {}, t("hand_words"), words), h("button.go", { onclick: look }, t("hand_search")), found, claim,
    ];
  });
}

async function rows(text, search, finish) {
  try {
    const items = await search(text);
    if (!items.length) return [h("li", {}, t("hand_nobody"))];
    const pick = (each) => h("button.pick", { onclick: () => finish({ ref: each.ref, listed: each }) }, each.name, h("small", {}, each.unit ?? each.building ?? ""));
    return [...items.map((each) => h("li", {}, pick(each))), h("li.hint", {}, t("hand_most"))];
  } catch (error) {
    return [h("li.wrong", {}, error.message || t("network"))];
  }
}

// ---- guard ------------------------------------------------------------------------------------------------------------

/** {operator, pin}; `check` resolves or throws with a sentence. */
export function pin(check, hint) {
  return open(t("pin_title"), (finish) => {
    const operator = h("input", { inputMode: "numeric", autocomplete: "off", value: localStorage.getItem("gate-operator") ?? "" });
    const secret = h("input", { type: "password", inputMode: "numeric", autocomplete: "off" });
    const wrong = h("p.wrong", { role: "alert" });
    const go = h("button.go", {}, t("pin_ok"));
    go.onclick = async () => {
      go.disabled = true;
      try {
        finish(await check(operator.value.trim(), secret.value));
      } catch (error) {
        wrong.textContent = error.message || t("network");
      }
      go.disabled = false;
    };
    onEnter(secret, () => go.click());
    return [
      hint ? h("p.hint", {}, hint) : null, h("label.field", {}, t("pin_operator"), operator), h("label.field", {}, t("pin_pin"), secret), wrong, go,
    ].filter(Boolean);
  });
}

// ---- lists ------------------------------------------------------------------------------------------------------------

export function lastScans(entries, undo) {
  if (!entries.length) return [h("p.hint", {}, t("last_none"))];
  const line = (entry) => {
    const time = clockOf(entry.at_ms);
    const state = entry.undone ? t("last_undone") : t({ passed: entry.decision.decision === "allow" ? "last_allowed" : "last_let_in", turned: "last_turned", open: "last_open" }[entry.outcome]);
    const what = h("div.what", {}, entry.title, h("small", {}, `${time} · ${t(entry.direction)} · ${state}`));
    const can = entry.outcome === "passed" && !entry.undone;
    return h("li", {}, h(`span.mark.${entry.decision.decision}`), what, can ? hold(h("button", { ariaLabel: t("undo") }, t("undo_short")), () => undo(entry)) : null);
  };
  return [h("ul.list", {}, ...entries.map(line)), h("p.hint", {}, t("last_memory"))];
}

export function direction(current, locked) {
  return open(t("direction"), (finish) => {
    const wanted = { direction: current, locked };
    const lock = h("button.plain", { ariaPressed: String(locked) }, "");
    const draw = () => lock.replaceChildren(`${t("direction_lock")}${wanted.locked ? " ✓" : ""}`);
    lock.onclick = () => ((wanted.locked = !wanted.locked), draw());
    draw();
    return [
      choices(["in", "out", "auto"].map((each) => [each, t(each)]), current, (each) => (wanted.direction = each)),
      h("p.hint", {}, t("direction_hint")), lock, h("button.go", { onclick: () => finish(wanted) }, t("pin_ok")),
    ];
  });
}

export function facts(title, pairs, more = []) {
  const lines = pairs.map(([term, value]) => h("div.fold", {}, h("span", {}, term), h("b", {}, value)));
  return open(title, () => [...lines, ...more]);
}

