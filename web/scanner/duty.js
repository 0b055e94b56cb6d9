// What a guard on duty may do beyond letting people through: emergencies, roll calls, guests with a slip, full names,
// back-entry from paper. Each asks for the PIN when nobody is on duty.

import { say } from "./admission.js";
import { toast } from "./dom.js";
import { language, named, t } from "./text.js";

// Only when somebody opens one: the first start is over a weak network. The service worker keeps it for later.
const sheets = () => import("./duty_sheets.js");

const ASK_MS = 3 * 60_000;
const LOOK_MS = 1_000;

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
      await this.tickOff(call, Object.fromEntries(zones), this.guard.operator);
    } catch (error) {
      this.desk.broke(error);
    }
  }

  async tickOff(call, zones, operator) {
    const { Roll } = await import("./roll.js");
    const roll = (this.roll = await Roll.open(this.link, call.zone));
    await roll.sync().catch(() => null); // the names are here; ticks of others come when the line is back
    await (await sheets()).rollCall(call, zones, roll, (key) => roll.turn(key, this.guard.operator ?? operator, this.desk.now()));
    roll.open = false;
  }

  /** Every two seconds: ticks of a roll call that is open, or that was closed before everything was told. */
  async shareTicks() {
    this.roll ??= (await this.store.secret("roll"))?.pending?.length ? await (await import("./roll.js")).Roll.open(this.link) : null;
    await this.roll?.sync();
  }

  // ---- guests ---------------------------------------------------------------------------------------------------------

  async guest() {
    const byPhone = this.link.online && this.guard.session ? (...about) => this.askHost(...about) : null;
    const wanted = await (await sheets()).guest(byPhone);
    if (!wanted) return;
    const { confirmed, ask, ...visitor } = wanted;
    const note = `host: ${confirmed}`;
    if (confirmed === "no") return this.desk.visitor({ ...visitor, class: "guest", passed: false, note });
    if (!this.link.online || !this.guard.session) return this.desk.visitor({ ...visitor, class: "guest", note });
    await this.withSlip(visitor, { confirmed, ask }, note);
  }

  async withSlip({ unit, party, valid_min: minutes }, host, note) {
    try {
      const slip = await this.link.call("/v1/device/guest", { session: this.guard.session, unit, minutes, ...host });
      const record = { name: t("guest"), type: "visitor", unit };
      this.desk.companions = party - 1;
      await this.desk.show({ decision: say("ok_in"), record, lid: null, method: "card", content: { pass: slip.pass, note }, direction: "in" });
      await this.desk.result.seen();
      await (await sheets()).slip(slip, unit, named(this.desk.gate?.names));
    } catch (error) {
      this.desk.broke(error);
    }
  }

  /** {ask, answer} once somebody of the household has answered on a phone; null when nobody does. */
  async askHost({ unit, party }, say, wanted) {
    try {
      const { ask, phones } = await this.link.call("/v1/device/guest/ask", { session: this.guard.session, unit, party });
      if (!phones) return say(t("host_no_phone")), null;
      say(t("host_asked", { n: phones }));
      for (const until = Date.now() + ASK_MS; wanted() && Date.now() < until; await new Promise((resolve) => setTimeout(resolve, LOOK_MS))) {
        const { answer } = await this.link.call(`/v1/device/guest/ask/${ask}`).catch(() => ({}));
        this.guard.touched();
        if (answer) return { ask, answer };
      }
      say(t("host_silent"));
    } catch (error) {
      say(error.message);
    }
    return null;
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
    return (await sheets()).call(this.list.site?.telephone);
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
