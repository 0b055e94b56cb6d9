// The line to the server: sends what waits, fetches the list and the state, and says in words how it is.

import { TableError } from "./table.js";
import { language } from "./text.js";
import { answerFrom, pack } from "./wire.js";

const BATCH = 200;
const TIMEOUT_MS = 8_000;
const SEND_MS = 400;
const LIST_MS = 4_000; // a pass revoked in the office is stopped here within five seconds
const STATE_MS = 5_000;
const STEADY_MS = 100;
const LONGEST_WAIT_MS = 30_000;

export class Revoked extends Error {}
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export class Link {
  /** `told(event)` hears "change", "revoked" and {poison: n}. */
  constructor({ store, device, queue, list, inside, skewMs, told }) {
    Object.assign(this, { store, device, queue, list, inside, skewMs, told });
    this.online = navigator.onLine;
    this.failures = 0;
    this.poison = 0;
    this.batch = BATCH;
    this.timers = [];
  }

  start() {
    this.every(SEND_MS, () => this.send());
    this.every(LIST_MS, () => this.fetchList());
    this.every(STATE_MS, () => this.fetchState());
    addEventListener("online", () => this.wake());
    addEventListener("offline", () => this.setOnline(false));
  }

  stop() {
    this.stopped = true;
    this.timers.forEach((timer) => clearTimeout(timer));
  }

  /** Run again and again, later after failures: 1, 2, 4 … 30 s with jitter. */
  every(ms, work) {
    let timer = 0;
    const run = async () => {
      await this.guarded(work);
      if (this.stopped) return;
      const back = this.failures ? Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(this.failures, 5)) : 0;
      timer = setTimeout(run, Math.max(ms, back * (0.5 + Math.random())));
      this.timers.push(timer);
    };
    run();
  }

  wake() {
    this.failures = 0;
    this.guarded(() => this.send());
  }

  async guarded(work) {
    try {
      await work();
    } catch (error) {
      if (error instanceof Revoked) this.told("revoked");
      else if (!(error instanceof Refused || error instanceof TableError)) this.setOnline(false);
      this.failures += 1;
    }
  }

  setOnline(online) {
    if (online) this.failures = 0;
    if (this.online === online) return;
    this.online = online;
    this.told("change");
  }

  async call(path, body = undefined) {
    const headers = { Authorization: `Bearer ${this.device.token}`, Accept: "application/json", "Accept-Language": language() };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: typeof body === "string" || body === undefined ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
      credentials: "omit",
    });
    if (response.status === 401) throw new Revoked();
    if (response.status >= 500) throw new Error(`HTTP ${response.status}`);
    this.setOnline(true);
    if (!response.ok) throw new Refused(await why(response), response.status);
    return response.json();
  }

  /** Send what waits; delete exactly what was answered for. */
  async send() {
    if (this.sending) return;
    let rows = this.queue.due(Date.now(), this.batch);
    if (!rows.length) return;
    this.sending = true;
    try {
      // After a day offline one batch follows the other: nobody waits for a timer thousands of times.
      for (; rows.length && !this.stopped; rows = this.queue.due(Date.now(), this.batch)) {
        await this.sendRows(rows);
        this.batch = BATCH;
      }
    } catch (error) {
      this.narrow(error, rows);
      throw error;
    } finally {
      this.sending = false;
    }
  }

  /** A body that is refused as a whole is sent again in halves, until the one report at fault stands alone. */
  narrow(error, rows) {
    if (!(error instanceof Refused) || ![400, 413, 422].includes(error.status)) return;
    if (rows.length === 1) this.queue.refuse(rows[0]).catch(() => null);
    this.batch = Math.max(1, Math.floor(rows.length / 2));
  }

  async sendRows(rows) {
    const { body } = pack(crypto.randomUUID(), rows.map((row) => this.queue.textOf(row)), BATCH);
    const before = Date.now();
    const answer = answerFrom(await this.call("/v1/reports", body));
    this.measured(before, answer.server_ms);
    this.poison += answer.results.filter((each) => each.outcome === "rejected" || each.outcome === "conflict").length;
    await this.queue.remove(answer.results);
    this.told("change");
  }

  async fetchList() {
    const since = this.whole ? null : this.list.version;
    const download = await this.call(`/v1/device/passes${since ? `?since=${encodeURIComponent(since)}` : ""}`);
    // After one that cannot be used the whole list is asked for, and the old one goes on until then.
    this.whole = true;
    await this.list.take(download, this.device);
    this.whole = false;
    this.told("change");
  }

  async fetchState() {
    const before = Date.now();
    const state = await this.call("/v1/device/state");
    this.measured(before, state.server_ms);
    this.inside.take(state);
    await this.emergency?.heard(state);
    this.told("change");
  }

  /** How far this phone's clock is ahead of the server's: changed only by what a slow answer cannot explain. */
  measured(before, serverMs) {
    if (serverMs <= 0) return; // its own clock is wrong and it says so: what was measured before is better
    const after = Date.now();
    const skewMs = Math.round((before + after) / 2 - serverMs);
    if (Math.abs(skewMs - this.skewMs) <= (after - before) / 2 + STEADY_MS) return;
    this.skewMs = skewMs;
    this.store.keepSecret("skew", this.skewMs).catch(() => null);
  }
}

async function why(response) {
  try {
    const found = await response.json();
    return found.title ?? found.detail ?? `HTTP ${response.status}`;
  } catch {
    return `HTTP ${response.status}`;
  }
}
