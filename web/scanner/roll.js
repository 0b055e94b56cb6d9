// The ticks of a roll call: on this phone at once, on every phone of the community as soon as there is network.
// The keys mean nothing elsewhere, and are kept so that neither a reload nor a dead line loses them.

import { Refused } from "./link.js";

const KEPT_MS = 12 * 3_600_000;
const NAME = "roll";

export class Roll {
  /** What this phone knows of a zone; without a zone of the one that still has something to tell, or null. */
  static async open(link, zone = null) {
    const kept = await link.store.secret(NAME);
    const fresh = kept?.ticks && (zone === null || kept.zone === zone) ? kept : null;
    if (zone === null && !fresh?.pending.length) return null;
    return new Roll(link, zone ?? fresh.zone, fresh);
  }

  constructor(link, zone, kept) {
    const since = Date.now() - KEPT_MS;
    const ticks = (kept?.ticks ?? []).filter((tick) => tick.at_ms > since).map((tick) => [tick.key, tick]);
    Object.assign(this, { link, zone, ticks: new Map(ticks), pending: new Set(kept?.pending), open: true, changed: () => null });
  }

  has(key) {
    return this.ticks.get(key)?.found ?? false;
  }

  /** The number of the guard who ticked. */
  by(key) {
    return this.has(key) ? this.ticks.get(key).operator : "";
  }

  async turn(key, operator, atMs) {
    this.ticks.set(key, { key, found: !this.has(key), at_ms: Math.round(atMs), operator });
    this.pending.add(key);
    await this.keep();
    this.sync().catch(() => null); // without network it is told later
  }

  keep() {
    return this.link.store.keepSecret(NAME, { zone: this.zone, ticks: [...this.ticks.values()], pending: [...this.pending] });
  }

  /** Tell and hear; nothing to do when nobody looks and everything is told. */
  async sync() {
    if (this.busy || !(this.open || this.pending.size)) return;
    this.busy = true;
    try {
      const told = [...this.pending].map((key) => this.ticks.get(key)).filter(Boolean);
      this.heard(told, (await this.link.call("/v1/device/rollcall/ticks", { zone: this.zone, ticks: told })).ticks);
      await this.keep();
      this.changed();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.pending.clear(); // the zone is no more
    } finally {
      this.busy = false;
    }
  }

  heard(told, known) {
    for (const tick of told) if (this.ticks.get(tick.key)?.at_ms === tick.at_ms) this.pending.delete(tick.key);
    for (const tick of known) {
      const mine = this.ticks.get(tick.key);
      if (!mine || mine.at_ms < tick.at_ms) this.ticks.set(tick.key, tick);
    }
  }
}
