// What a guard on duty may do beyond letting people through: emergencies, roll calls, guests with a slip, full names,
// back-entry from paper. Each asks for the PIN when nobody is on duty.

import { say } from "./admission.js";
import { toast } from "./dom.js";
import { language, named, t } from "./text.js";

// Only when somebody opens one: the first start is over a weak network. The service worker keeps it for later.
const sheets = () => import("./duty_sheets.js");

const ROLL_MS = 12 * 3_600_000;

export class Duty {
  constructor(desk) {
    Object.assign(this, desk, { desk });
  }

  /** Whether somebody answers for what comes now; `online` asks for a PIN that the server has checked. */
  async answers(hint, online = false) {
    const there = () => (online ? this.guard.session : this.guard.onDuty);
    if (online && !this.link.online) return toast(t("needs_line")), false;
    if (!there()) await this.desk.goOnDuty(hint);
    return Boolean(there());
  }

  // ---- emergency ------------------------------------------------------------------------------------------------------

  async beginEmergency() {
    if (!(await (await sheets()).confirm(t("emergency_title"), t("emergency_what"), t("emergency_begin")))) return;
    if (!(await this.answers(t("emergency_pin")))) return;
    await this.emergency.begin(this.desk.gateId, this.guard.operator, this.desk.now());
    this.ready.draw();
  }

  async endEmergency() {
    if (!(await this.answers(t("emergency_end_pin")))) return;
    await this.emergency.end(this.guard.operator, this.desk.now());
    toast(t("emergency_ended", { n: this.emergency.state?.counted ?? 0 }));
    this.ready.draw();
  }

  /** Somebody without a pass went through: counted, and a passage of nobody. */
  async countOne() {
    const counted = this.emergency.count(1);
    await this.desk.visitor({ class: "free_flow", unit: null, party: 1 }, t("emergency_counted", { n: this.emergency.state.counted }));
    await counted;
  }

  // ---- roll call ------------------------------------------------------------------------------------------------------

  async rollCall() {
    const zones = Object.entries(this.list.site?.zones ?? {}).map(([zone, data]) => [zone, named(data.names) || zone]);
    const wanted = await (await sheets()).rollCallOf(zones, this.desk.gate?.inner);
    if (!wanted || !(await this.answers(t("roll_pin"), true))) return;
    try {
      const call = await this.link.call("/v1/device/rollcall", { session: this.guard.session, ...wanted });
      await (await sheets()).rollCall(call, Object.fromEntries(zones), await this.ticks(wanted.zone));
    } catch (error) {
      this.desk.broke(error);
    }
  }

  /** Who was found already: keys that mean nothing elsewhere, kept so that a reload does not lose them. */
  async ticks(zone) {
    const kept = await this.store.secret("roll");
    const fresh = kept?.zone === zone && Date.now() - kept.at_ms < ROLL_MS;
    const found = new Set(fresh ? kept.found : []);
    const keep = () => this.store.keepSecret("roll", { zone, at_ms: Date.now(), found: [...found] });
    return { has: (key) => found.has(key), turn: (key) => (found.delete(key) || found.add(key), keep()) };
  }

  // ---- guests ---------------------------------------------------------------------------------------------------------

  async guest() {
    const wanted = await (await sheets()).guest();
    if (!wanted) return;
    const { confirmed, ...visitor } = wanted;
    const note = `host: ${confirmed}`;
    if (confirmed === "no") return this.desk.visitor({ ...visitor, class: "guest", passed: false, note });
    if (!this.link.online || !this.guard.session) return this.desk.visitor({ ...visitor, class: "guest", note });
    await this.withSlip(visitor, confirmed, note);
  }

  async withSlip({ unit, party, valid_min: minutes }, confirmed, note) {
    try {
      const slip = await this.link.call("/v1/device/guest", { session: this.guard.session, unit, minutes, confirmed });
      const record = { name: t("guest"), type: "visitor", unit };
      this.desk.companions = party - 1;
      await this.desk.show({ decision: say("ok_in"), record, lid: null, method: "card", content: { pass: slip.pass, note }, direction: "in" });
      await this.desk.result.seen();
      await (await sheets()).slip(slip, unit, named(this.desk.gate?.names));
    } catch (error) {
      this.desk.broke(error);
    }
  }

  // ---- names, notes, paper --------------------------------------------------------------------------------------------

  /** The full name of whoever's pass lies here; null without network, duty or a pass. */
  async fullName(entry) {
    if (!this.link.online || !this.guard.session || !entry.content?.pass) return null;
    const asked = this.link.call("/v1/device/name", { session: this.guard.session, code: entry.content.pass });
    return asked.then(({ name }) => name).catch(() => null);
  }

  async note(entry) {
    const text = await (await sheets()).note(entry.note ?? "");
    if (text !== null) entry.note = text;
  }

  async call() {
    return (await sheets()).call();
  }

  /** What stood on paper: entered as said, at the time it happened, settled by the office. */
  async paper() {
    const wanted = await (await sheets()).paper(language(), this.desk.now());
    if (!wanted) return;
    const decision = { ...say("unknown"), zh: `纸质补录 ${wanted.unit}`, en: `From paper: ${wanted.unit}` };
    const entry = {
      decision, record: null, lid: null, direction: wanted.direction, method: "manual", at_ms: wanted.at_ms, title: wanted.unit, party: 1,
      content: { claimed: { unit: wanted.unit } }, outcome: "passed", settled: true,
    };
    const report = await this.desk.report(entry, false);
    entry.id = this.queue.add({ ...report, reason: "unknown", note: "paper" });
    await entry.id;
    this.desk.remember(entry);
    toast(t("paper_done"));
    this.ready.draw();
  }
}
