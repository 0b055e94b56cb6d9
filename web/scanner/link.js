// The line to the server: sends what waits, fetches the list and the state, and says in words how it is.

import { language } from "./text.js";
import { answerFrom, pack } from "./wire.js";

const BATCH = 200;
const TIMEOUT_MS = 8_000;
const SEND_MS = 400;
const LIST_MS = 4_000; // a pass revoked in the office is stopped here within five seconds
const STATE_MS = 5_000;
const LONGEST_WAIT_MS = 30_000;

export class Revoked extends Error {}
export class Refused extends Error {}

export class Link {
  /** `told(event)` hears "change", "revoked" and {poison: n}. */
  constructor({ device, queue, list, inside, told }) {
    Object.assign(this, { device, queue, list, inside, told });
    this.online = navigator.onLine;
    this.skewMs = 0;
    this.failures = 0;
    this.poison = 0;
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
      else if (!(error instanceof Refused)) this.setOnline(false);
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
    if (!response.ok) throw new Refused(await why(response));
    return response.json();
  }

  /** Send what waits; delete exactly what was answered for. */
  async send() {
    if (this.sending) return;
    const rows = this.queue.due(Date.now(), BATCH);
    if (!rows.length) return;
    this.sending = true;
    try {
      await this.sendRows(rows);
    } finally {
      this.sending = false;
    }
  }

  async sendRows(rows) {
    const { body } = pack(crypto.randomUUID(), rows.map((row) => this.queue.textOf(row)), BATCH);
    const before = Date.now();
    const answer = answerFrom(await this.call("/v1/reports", body));
    this.skewMs = Math.round((before + Date.now()) / 2 - answer.server_ms);
    this.poison += answer.results.filter((each) => each.outcome === "rejected" || each.outcome === "conflict").length;
    await this.queue.remove(answer.results);
    this.told("change");
  }

  async fetchList() {
    const since = this.list.version;
    const download = await this.call(`/v1/device/passes${since ? `?since=${encodeURIComponent(since)}` : ""}`);
    await this.list.take(download, this.device.device);
    this.told("change");
  }

  async fetchState() {
    this.inside.take(await this.call("/v1/device/state"));
    this.told("change");
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
