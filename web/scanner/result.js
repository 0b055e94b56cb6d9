// The result over the whole screen: colour, shape, one word, one sentence, a masked name and the building. ALLOW never
// blocks; CHECK and STOP wait for the guard.

import { $, h, hold, icon } from "./dom.js";
import { clockOf, language, t } from "./text.js";

const SHOWN_MS = 2_400;
const LEAST_MS = 500;

export class Result {
  /** `acts`: {letIn, turnBack, exception, undo, companion, ask}. */
  constructor(acts, gateName, offline) {
    Object.assign(this, { acts, gateName, offline });
    this.box = $("result");
    this.box.addEventListener("click", (event) => {
      if (this.entry?.decision.decision === "allow" && !event.target.closest("button")) this.clear();
    });
  }

  /** Whether nothing may be read now. */
  get blocking() {
    return Boolean(this.entry && !this.entry.settled && this.entry.decision.decision !== "allow");
  }

  /** Half a second of colour at least, before the next replaces it. */
  async seen() {
    const leftMs = this.entry ? LEAST_MS - (performance.now() - this.shownAt) : 0;
    if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
  }

  show(entry) {
    clearTimeout(this.timer);
    this.entry = entry;
    this.shownAt = performance.now();
    this.box.dataset.decision = entry.decision.decision;
    this.box.lang = language();
    this.box.replaceChildren(...this.parts(entry));
    this.box.hidden = false;
    if (entry.decision.decision === "allow") this.timer = setTimeout(() => this.clear(), SHOWN_MS);
    // No button has the focus: a reader's late Enter must not decide.
    else this.box.focus({ preventScroll: true });
  }

  clear() {
    clearTimeout(this.timer);
    this.box.hidden = true;
    this.box.replaceChildren();
    this.entry = null;
  }

  parts(entry) {
    const { decision } = entry;
    const sentence = decision[language()];
    return [
      h("div.top", {}, h("b", {}, this.gateName()), ...this.line(), h("span", {}, icon(`i-${entry.direction}`), t(entry.direction))),
      h("div.word", {}, icon(`r-${decision.decision}`), h("h2", {}, t(decision.decision)), h("p", {}, sentence)),
      entry.record ? card(entry, this.acts.fullName) : null,
      decision.decision === "allow" ? h("div.left", {}, h("i")) : null,
      this.buttons(entry),
    ].filter(Boolean);
  }

  /** Without network that is said here too: a list may be old. */
  line() {
    const words = this.offline();
    return words ? [h("span", {}, words)] : [];
  }

  /** A note and the office, beside what has to be decided. */
  beside(entry) {
    return [
      entry.method === "rotating" ? h("button.act.tiny.side.wide", { onclick: () => this.acts.ask(entry) }, t("ask")) : null,
      h("button.act.tiny.side", { onclick: () => this.acts.note(entry) }, t("note")),
      h("button.act.tiny.side", { onclick: () => this.acts.call() }, t("call")),
    ];
  }

  buttons(entry) {
    const { acts } = this;
    if (entry.decision.decision === "allow") {
      return h(
        "div.acts", {},
        h("button.act.small.second", { onclick: () => acts.companion(entry) }, t("companion")),
        hold(h("button.act.small.second", {}, t("undo")), () => acts.undo(entry)),
      );
    }
    const back = h("button.act.first", { onclick: () => acts.turnBack(entry) }, t("turn_back"));
    if (entry.decision.decision === "stop") {
      back.classList.add("wide");
      const exception = hold(h("button.act.small.wide.line", {}, t("exception")), () => acts.exception(entry));
      return h("div.acts", {}, ...this.beside(entry), back, exception);
    }
    const words = entry.direction === "out" ? "let_out" : "let_in";
    back.className = "act line";
    return h("div.acts", {}, ...this.beside(entry), back, h("button.act.second.first", { onclick: () => acts.letIn(entry) }, t(words)));
  }
}

/** The name as it is masked, and in full while it is held: online, on duty, in the log. */
function named(entry, fullName) {
  const masked = entry.record.name;
  if (!entry.content?.pass) return h("h3", {}, masked);
  const button = h("button", { title: t("name_hidden") }, masked);
  let held = false;
  button.addEventListener("pointerdown", async () => {
    held = true;
    const full = await fullName(entry);
    if (held && full) button.textContent = full;
  });
  const hide = () => ((held = false), (button.textContent = masked));
  ["pointerup", "pointerleave", "pointercancel"].forEach((name) => button.addEventListener(name, hide));
  return h("h3", {}, button);
}

/** Masked name, building; the unit only while the guard holds it. */
function card(entry, fullName) {
  const { record } = entry;
  const at = clockOf(entry.at_ms);
  const lines = [[t("type"), t(record.type ?? "resident")], [t("time"), at]];
  if (entry.home || record.unit) lines.unshift([t("home"), home(entry)]);
  return h("div.card", {}, named(entry, fullName), h("dl", {}, lines.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)])));
}

function home({ home: building, record }) {
  const words = building || t("unit_hidden");
  if (!record.unit) return words;
  const button = h("button", { title: t("unit_hidden") }, words);
  const show = (shown) => () => (button.textContent = shown ? record.unit : words);
  button.addEventListener("pointerdown", show(true));
  ["pointerup", "pointerleave", "pointercancel"].forEach((name) => button.addEventListener(name, show(false)));
  return button;
}
