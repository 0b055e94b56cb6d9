// Reports that wait to be sent. A scan is put here when it is shown, sealed; its decision completes the same number
// before it is sent. After five minutes, or when the phone is locked, it goes as it is.

import { encode } from "./wire.js";

const OPEN_MS = 5 * 60_000;

export class Queue {
  static async open(store) {
    const queue = new Queue(store);
    const kept = await store.entries("queue");
    const rows = await Promise.all(kept.map(([, hidden]) => store.show(hidden)));
    kept.forEach(([key], place) => queue.rows.set(String(key), rows[place]));
    // A new start numbers anew: a phone that was restored from a copy can never use a number twice.
    queue.boot = randomBoot();
    await store.keepSecret("boot", queue.boot);
    return queue;
  }

  constructor(store) {
    this.store = store;
    this.rows = new Map();
    this.seq = 0;
    this.writing = 0; // writes that are not on the phone's disk yet
  }

  /** Keep a report; {boot, seq}. `open` means that a guard still has to decide. */
  async add(report, open = false) {
    const id = { boot: this.boot, seq: this.seq++ };
    const whole = { ...report, ...id };
    encode(whole); // throws now, at the desk of whoever wrote it, and not in the middle of a batch
    await this.keep(id, { report: whole, open, shown_ms: Date.now() });
    return id;
  }

  /** The guard decided: write it into the same number. Nothing happens when it was sent already. */
  async complete(id, changes) {
    const row = this.rows.get(String(keyOf(id)));
    if (!row?.open || row.sent) return false;
    await this.keep(id, { ...row, report: { ...row.report, ...changes }, open: false });
    return true;
  }

  async keep(id, row) {
    this.rows.set(String(keyOf(id)), row);
    this.writing += 1;
    try {
      const hidden = await this.store.hide(row);
      await this.store.change("queue", (queue) => queue.put(hidden, keyOf(id)));
    } finally {
      this.writing -= 1;
    }
  }

  /** The server cannot take this one at all: it stays here, to be seen, and holds nothing else up. */
  refuse(row) {
    return this.keep(row.report, { ...row, refused: true });
  }

  /** Try those again: the server was updated, or the admin mended something. */
  retry() {
    return Promise.all(this.tray().map((row) => this.keep(row.report, { ...row, refused: false })));
  }

  /** Reports that the server cannot take, oldest first. */
  tray() {
    return [...this.rows.values()].filter((row) => row.refused).sort((left, right) => left.shown_ms - right.shown_ms);
  }

  get refused() {
    return this.tray().length;
  }

  /** Let go of what nobody will decide any more. */
  closeOpen() {
    for (const row of this.rows.values()) row.open = false;
  }

  /** Reports that may be sent now, oldest first. */
  due(nowMs, most) {
    const ready = [...this.rows.values()].filter((row) => !row.refused && (!row.open || nowMs - row.shown_ms > OPEN_MS));
    ready.sort((left, right) => left.shown_ms - right.shown_ms || left.report.seq - right.report.seq);
    return ready.slice(0, most);
  }

  /** The text that is sent, and sent again. From here on a decision comes too late. */
  textOf(row) {
    row.sent = true;
    return encode(row.report);
  }

  /** Delete exactly what the server answered for. */
  async remove(ids) {
    ids.forEach((id) => this.rows.delete(String(keyOf(id))));
    await this.store.change("queue", (queue) => ids.forEach((id) => queue.delete(keyOf(id))));
  }

  get size() {
    return this.rows.size;
  }

  oldestMs() {
    return Math.min(...[...this.rows.values()].map((row) => row.shown_ms));
  }
}

const keyOf = (id) => [id.boot, id.seq];

function randomBoot() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1fffff) * 2 ** 32 + low || 1;
}
