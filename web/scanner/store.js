// What the gate keeps on the phone. Everything but the sealed list is encrypted under a key that the browser does not
// give out, so a copy of the database shows how much there is and nothing else.

import { fromUtf8, utf8 } from "./bytes.js";

const NAME = "flow-gate";
const STORES = ["kv", "queue", "records", "replay"];

export class Store {
  /** Open the database; asks the browser to keep it. */
  static async open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => STORES.forEach((name) => request.result.createObjectStore(name));
    const store = new Store(await done(request));
    store.key = await store.vaultKey();
    navigator.storage?.persist?.().catch(() => false);
    return store;
  }

  constructor(db) {
    this.db = db;
  }

  async vaultKey() {
    const kept = await this.get("kv", "vault");
    if (kept) return kept;
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    await this.change("kv", (kv) => kv.put(key, "vault"));
    return key;
  }

  get(name, key) {
    return done(this.db.transaction(name).objectStore(name).get(key));
  }

  async entries(name) {
    const store = this.db.transaction(name).objectStore(name);
    const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
    return keys.map((key, place) => [key, values[place]]);
  }

  /** One transaction over the named stores, on disk when this returns. */
  change(names, work) {
    const list = [names].flat();
    const tx = this.db.transaction(list, "readwrite", { durability: "strict" });
    work(...list.map((name) => tx.objectStore(name)));
    return new Promise((resolve, reject) => {
      tx.oncomplete = () => resolve();
      tx.onabort = () => reject(tx.error);
    });
  }

  async hide(value) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, this.key, utf8(JSON.stringify(value)));
    return { iv, sealed: new Uint8Array(sealed) };
  }

  async show(hidden) {
    if (!hidden) return null;
    const clear = await crypto.subtle.decrypt({ name: "AES-GCM", iv: hidden.iv }, this.key, hidden.sealed);
    return JSON.parse(fromUtf8(new Uint8Array(clear)));
  }

  async secret(name) {
    return this.show(await this.get("kv", name));
  }

  async keepSecret(name, value) {
    const hidden = await this.hide(value);
    await this.change("kv", (kv) => kv.put(hidden, name));
  }

  /** Forget the device, its list and its replay state; what waits to be sent stays sealed and stays. */
  wipe() {
    return this.change(["kv", "records", "replay"], (kv, records, replay) => {
      ["device", "table", "emergency", "roll"].forEach((name) => kv.delete(name));
      records.clear();
      replay.clear();
    });
  }
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
