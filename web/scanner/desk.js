// The desk: one thing is shown at a time, is put into the queue when it is shown, and is completed by the guard.

import { Asking } from "./asking.js";
import { h, toast } from "./dom.js";
import { signal } from "./sound.js";
import { Duty } from "./duty.js";
import { Result } from "./result.js";
import * as sheets from "./sheets.js";
import { say } from "./admission.js";
import { keepZone, language, named, t } from "./text.js";

const AGAIN_MS = 4_000;
const MOST_ENTRIES = 30;

export class Desk {
  constructor(parts) {
    Object.assign(this, parts);
    this.entries = [];
    this.recent = new Map();
    this.companions = 0;
    this.working = Promise.resolve();
    this.setting = { direction: "in", locked: false, ...JSON.parse(localStorage.getItem("gate-direction") ?? "{}") };
    this.duty = new Duty(this);
    this.asking = new Asking(this);
    this.result = new Result(
      {
        letIn: (entry) => this.settle(entry, true), turnBack: (entry) => this.settle(entry, false),
        exception: (entry) => this.exception(entry), undo: (entry) => this.undo(entry), companion: (entry) => this.addCompanion(entry),
        note: (entry) => this.duty.note(entry), call: () => this.duty.call(), ask: (entry) => this.askAgain(entry), fullName: (entry) => this.duty.fullName(entry),
      },
      () => named(this.gate?.names),
      () => (this.link.online ? "" : t("offline")),
    );
  }

  // ---- where and when -------------------------------------------------------------------------------------------------

  get gateId() {
    return this.list.site?.gate ?? "";
  }

  get gate() {
    return this.list.site?.gates[this.gateId] ?? null;
  }

  /** Event time: this phone's clock, less what it is known to be off. */
  now() {
    return Date.now() - this.link.skewMs;
  }

  gateNow() {
    const gates = this.list.site.gates;
    const at_ms = this.now();
    keepZone(this.list.site.timezone);
    return {
      gate: this.gateId, direction: this.setting.direction, at_ms, utc_offset_min: offset(this.list.site.timezone, at_ms),
      passback: this.gate?.passback ?? "soft", challenge: this.gate?.challenge ?? false, exits: this.gate?.exits, windows: this.gate?.windows,
      rules: this.list.site.rules, quota: this.list.site.quota, dedup_window_s: this.gate?.dedup_window_s ?? 30, online: this.link.online, free_flow: this.emergency.on,
      list_age_ms: Math.max(0, at_ms - this.list.issuedMs),
      names: Object.fromEntries(Object.entries(gates).map(([id, gate]) => [id, gate.names])),
    };
  }

  // ---- reading --------------------------------------------------------------------------------------------------------

  /** Take in a code or a card number. Behind CHECK and STOP nothing is read; readings queue up one behind the other. */
  read(read) {
    if (!this.list.head || this.result.blocking || sheets.isOpen()) return this.working;
    this.working = this.working.then(() => (this.result.blocking ? null : this.take(read))).catch((error) => this.broke(error));
    return this.working;
  }

  async take(read) {
    await this.result.seen();
    const started = performance.now();
    if (read.tag) return this.takeTag(read.tag);
    const gate = this.gateNow();
    const found = await this.decideCode(read.pass, this.list, gate, this.inside, this.asking.challenges);
    if (await this.asking.holds(found)) return;
    const again = this.shownAgain(found);
    if (again === "ignore") return;
    if (again) Object.assign(found, again);
    await this.show(found, started);
  }

  /** The same pass again: within moments the first result stands; within the gate's window it counts once, and in
   * AUTO nobody who has just come in goes out by being read twice. */
  shownAgain(found) {
    const before = found.lid && this.recent.get(found.lid);
    if (!before || found.decision.decision !== "allow") return null;
    if (before.direction !== found.direction && this.setting.direction !== "auto") return null;
    const sinceMs = this.now() - before.at_ms;
    if (sinceMs < AGAIN_MS) return "ignore";
    const counted = sinceMs <= (this.gate?.dedup_window_s ?? 30) * 1000;
    return counted ? { decision: say("duplicate"), direction: before.direction } : null;
  }

  async takeTag(tag) {
    let record = null;
    let online = this.link.online;
    try {
      if (online) record = (await this.link.call("/v1/device/decide", { tag })).record;
    } catch {
      online = this.link.online;
    }
    const found = this.decideRecord("tag", record, { ...this.gateNow(), online: record ? true : online }, this.inside);
    await this.show({ ...found, method: "tag", content: { tag } });
  }

  /** Put it into the queue and on the screen. */
  async show(found, started = performance.now()) {
    const { decision } = found;
    const entry = {
      ...found, at_ms: this.now(), outcome: decision.decision === "allow" ? "passed" : "open", party: 1 + this.companions,
      title: found.record?.name ?? found.title ?? "—", home: this.homeOf(found.record),
    };
    if (decision.decision === "allow") this.passed(entry);
    this.result.show(entry);
    entry.shown_ms = performance.now() - started;
    performance.measure("gate-decision", { start: started });
    signal(decision.decision, language());
    this.remember(entry);
    const open = entry.outcome === "open";
    entry.id = this.report(entry, open).then((report) => this.queue.add(report, open));
    await entry.id;
    this.ready.draw();
  }

  /** The building's own name, else the number the unit begins with. */
  homeOf(record) {
    const zone = this.list.site?.zones[record?.building];
    const number = /^(\d{1,3})-/.exec(record?.unit ?? "")?.[1];
    return zone ? named(zone.names) : number ? t("building", { n: number }) : "";
  }

  /** A scan as the wire has it. Until the guard decides, nobody has passed and nothing is decided. */
  async report(entry, open) {
    const sealed = await this.seal(entry.content, this.list.ingest.kid, this.list.ingest.key);
    return {
      kind: "scan", at: Math.round(entry.at_ms + this.link.skewMs), skew_ms: this.link.skewMs, gate: this.gateId, direction: entry.direction,
      sealed, method: entry.method, decision: entry.decision.decision, reason: open ? "undecided" : entry.decision.reason,
      passed: !open, party: entry.party, ...(this.guard.operator ? { operator: this.guard.operator } : {}),
    };
  }

  remember(entry) {
    this.entries.unshift(entry);
    this.entries.splice(MOST_ENTRIES);
    this.companions = 0;
  }

  passed(entry) {
    this.inside.passed(entry.lid, entry.direction);
    if (entry.lid && entry.decision.reason !== "duplicate") this.recent.set(entry.lid, { at_ms: entry.at_ms, direction: entry.direction });
    for (const [lid, { at_ms }] of this.recent) if (this.now() - at_ms > 600_000) this.recent.delete(lid);
  }

  broke(error) {
    console.error(error);
    toast(t("failed", { why: error.message }));
  }

  // ---- deciding -------------------------------------------------------------------------------------------------------

  async settle(entry, letIn, extra = {}) {
    if (entry.settled) return;
    entry.settled = true;
    entry.outcome = letIn ? "passed" : "turned";
    if (letIn) this.passed(entry);
    this.result.clear();
    this.ready.draw();
    const operator = this.guard.operator ? { operator: this.guard.operator } : {};
    const note = [extra.note, entry.note].filter(Boolean).join("; ");
    const changes = { passed: letIn, reason: entry.decision.reason, ...operator, ...extra, ...(note ? { note } : {}) };
    const completed = await this.queue.complete(await entry.id, changes);
    // The report went as it was: that somebody passed now is a scan of its own.
    if (!completed && letIn) entry.id = this.queue.add({ ...(await this.report({ ...entry, at_ms: this.now() }, false)), ...changes });
    await entry.id;
    this.link.wake();
    this.ready.draw();
  }

  /** Nobody passes with this code; the phone is asked for an answer instead. */
  async askAgain(entry) {
    await this.settle(entry, false);
    await this.asking.begin();
  }

  /** Against a STOP: a reason, and the name of whoever answers for it. */
  async exception(entry) {
    const why = await sheets.reasons(t("exception_why"), ["ex_known", "ex_office", "ex_emergency", "ex_mistake"]);
    if (!why || (!this.guard.onDuty && !(await this.goOnDuty(t("pin_need"))))) return;
    await this.settle(entry, true, { forced: true, note: why.replace("ex_", "exception: ") });
  }

  async undo(entry) {
    const why = await sheets.reasons(t("undo_why"), ["undo_twice", "undo_direction", "undo_stayed", "undo_other"], [
      h("button.plain.line", { onclick: () => this.duty.call() }, t("call")),
    ]);
    if (!why || entry.undone) return;
    entry.undone = true;
    this.recent.delete(entry.lid);
    this.result.clear();
    await this.queue.add({ kind: "correction", ...this.stamp(), of: await entry.id, note: why.replace("undo_", "undo: ") });
    toast(t("undone"));
    this.ready.draw();
  }

  async addCompanion(entry) {
    await this.visitor({ class: "companion", unit: null, party: 1, direction: entry.direction }, t("companion_done"));
  }

  goOnDuty(hint = "") {
    return sheets.pin((operator, pin) => this.guard.open(operator, pin), hint);
  }

  // ---- without a pass ---------------------------------------------------------------------------------------------------

  stamp() {
    return { at: Date.now(), skew_ms: this.link.skewMs };
  }

  async visitor({ class: kind, unit, party, valid_min, direction, passed = true, note }, words) {
    const way = direction ?? (this.setting.direction === "out" ? "out" : "in");
    const report = { kind: "visitor", ...this.stamp(), gate: this.gateId, direction: way, class: kind, passed, party };
    if (unit) report.unit = unit;
    if (valid_min) report.valid_min = valid_min;
    if (note) report.note = note;
    if (this.guard.operator) report.operator = this.guard.operator;
    const decision = say(way === "in" ? "ok_in" : "ok_out");
    const title = { delivery: t("courier"), guest: t("guest"), companion: t("companion"), free_flow: t("emergency") }[kind];
    const entry = { decision, direction: way, at_ms: this.now(), outcome: passed ? "passed" : "turned", title: unit ? `${title} · ${unit}` : title, lid: null };
    entry.id = this.queue.add(report);
    await entry.id;
    this.remember(entry);
    if (words) toast(words);
    else if (passed) {
      this.result.show(entry);
      signal("allow", language());
    }
    this.ready.draw();
  }

  async courier() {
    const wanted = await sheets.courier();
    if (wanted) await this.visitor(wanted);
  }

  async byHand() {
    const { online } = this.link;
    if (online && !this.guard.session && !(await this.goOnDuty(t("hand_pin")))) return;
    const chosen = await sheets.byHand({ online: this.link.online && this.guard.session, search: (text) => this.search(text) });
    if (chosen?.tag) await this.takeTag(chosen.tag);
    if (chosen?.ref) await this.takeReference(chosen);
    if (chosen?.claimed) await this.takeClaim(chosen.claimed);
  }

  async search(text) {
    const { items } = await this.link.call("/v1/device/search", { session: this.guard.session, text });
    return items;
  }

  async takeReference({ ref }) {
    try {
      const { record } = await this.link.call("/v1/device/decide", { ref, session: this.guard.session });
      const found = this.decideRecord("ref", record, this.gateNow(), this.inside);
      await this.show({ ...found, method: "manual", content: { ref } });
    } catch (error) {
      this.broke(error);
    }
  }

  /** Who somebody says they are: the guard decides, the office settles it later. */
  async takeClaim(unit) {
    const direction = this.setting.direction === "out" ? "out" : "in";
    const decision = { ...say("unknown"), zh: `自报住 ${unit}，请核实`, en: `Says to live at ${unit}: please check` };
    await this.show({ decision, record: null, lid: null, direction, method: "manual", content: { claimed: { unit } }, title: unit });
  }

  async photo(file) {
    const text = await this.camera.photo(file).catch(() => null);
    if (text) await this.read({ pass: text });
    else toast(t("photo_none"));
  }

  setDirection(setting) {
    this.setting = setting;
    localStorage.setItem("gate-direction", JSON.stringify(setting));
    this.ready.draw();
  }

  async forget() {
    await this.store.wipe();
    location.reload();
  }
}

/** Minutes that a time zone is ahead of UTC at a moment. */
function offset(timezone, atMs) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: timezone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" }).formatToParts(atMs);
  const at = Object.fromEntries(parts.map(({ type, value }) => [type, Number(value)]));
  const local = Date.UTC(at.year, at.month - 1, at.day, at.hour, at.minute, at.second);
  return Math.round((local - Math.floor(atMs / 1000) * 1000) / 60_000);
}

