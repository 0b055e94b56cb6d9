// The sealed list on this phone: taken in, looked up, and the replay state beside it.

import { fromText, toText } from "./bytes.js";
import { checkDownload, follow, locate, openRecord } from "./table.js";

// Twice as long as a rotating code can be good: after that a code is refused by its clock, and nothing need be remembered.
const SHOWN_MS = 120_000;

export class List {
  static async open(store) {
    const list = new List(store);
    list.use(await store.secret("table"));
    await list.forgetShown();
    setInterval(() => list.forgetShown(), SHOWN_MS / 4);
    return list;
  }

  constructor(store) {
    this.store = store;
    this.head = null;
    this.count = 0;
  }

  use(head) {
    this.head = head;
    if (!head) return;
    this.community = fromText(head.header.community);
    this.salt = fromText(head.header.salt);
    this.oldSalt = head.old_salt ? fromText(head.old_salt) : null;
    const { site } = head.header;
    this.site = site;
    this.ingest = { kid: site.ingest.kid, key: fromText(site.ingest.key) };
    this.cardKeys = site.card_keys.map((each) => ({ ...each, community: fromText(each.community), key: fromText(each.key) }));
  }

  get version() {
    return this.head?.header.version ?? null;
  }

  get issuedMs() {
    return this.head?.header.issued_ms ?? 0;
  }

  /** Take a download in: all of it or nothing. Throws TableError; the signer was pinned when the device was claimed. */
  async take(download, device) {
    const signer = await follow(this.head?.signer ?? device.signer ?? download.signer, download.succession ?? []);
    const community = this.community ?? fromText(JSON.parse(download.header).community);
    const holds = { device: device.device, community, version: this.version, newest_ms: this.issuedMs };
    const { header, records, removed } = await checkDownload(download, fromText(signer), holds);
    const newDay = this.head && this.head.header.salt !== header.salt;
    const head = { header, signer, old_salt: newDay ? this.head.header.salt : (this.head?.old_salt ?? null) };
    const hidden = await this.store.hide(head);
    await this.store.change(["kv", "records"], (kv, table) => {
      if ((header.since ?? null) === null) table.clear();
      removed.forEach((lid) => table.delete(toText(lid)));
      records.forEach((record) => table.put(record, toText(record.slice(0, 12))));
      kv.put(hidden, "table");
    });
    this.use(head);
    await this.measure();
  }

  async measure() {
    const request = this.store.db.transaction("records").objectStore("records").count();
    this.count = await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  /** {lid, record or null} of a handle. The lid is text; the record is opened for this moment only. */
  async find(handle) {
    const place = await locate(handle, this.salt, this.community);
    const lid = toText(place.lid);
    const sealed = await this.store.get("records", lid);
    const record = sealed ? await openRecord(sealed, place, this.community, this.head.header.epoch) : null;
    return { lid, record };
  }

  /** [token_s, when first shown] of the last rotating code of a handle, also under the day before's lid. */
  async lastShown(handle, lid) {
    const today = await this.store.show(await this.store.get("replay", lid));
    if (today || !this.oldSalt) return today ?? null;
    const before = await locate(handle, this.oldSalt, this.community);
    return this.store.show(await this.store.get("replay", toText(before.lid)));
  }

  async keepShown(lid, tokenS, atMs) {
    const hidden = await this.store.hide([tokenS, atMs, Date.now()]);
    await this.store.change("replay", (replay) => replay.put(hidden, lid));
  }

  /** Whoever has a photo of a code could ask this phone when it was shown: so that is known for two minutes only. */
  async forgetShown() {
    const rows = await this.store.entries("replay");
    const times = await Promise.all(rows.map(([, hidden]) => this.store.show(hidden).catch(() => null)));
    const old = rows.filter((_, place) => !(Math.abs(Date.now() - times[place]?.[2]) < SHOWN_MS));
    if (old.length) await this.store.change("replay", (replay) => old.forEach(([lid]) => replay.delete(lid)));
  }
}
