// The sealed gate table: a handle opens its own record, the table alone opens none. Twin of
// community_flow/domain/gate_table.py; both are held to tests/vectors/gate_table.json.

import { concat, equal, fromText, fromUtf8, hkdf, sha256, toText, u32, utf8 } from "./bytes.js";
import { ed25519Good } from "./signatures.js";

const INFO = utf8("cf/gate-record/v1");
const HANDED_ON_PREFIX = utf8("community-flow/table-key/v1\0");
const SIGNED_PREFIX = utf8("community-flow/gate-table/v1\0");
const LID = 12;
const NONCE = 12;
const RECORD = 424;

export class TableError extends Error {}

/** {lid, key} of the record that belongs to a handle. */
export async function locate(handle, salt, community) {
  const out = await hkdf(handle, concat(salt, community), INFO, LID + 32);
  return { lid: out.slice(0, LID), key: out.slice(LID) };
}

/** The record, from its 424 bytes and its place; throws TableError. */
export async function openRecord(sealed, place, community, epoch) {
  if (sealed.length !== RECORD || !equal(sealed.slice(0, LID), place.lid)) throw new TableError("another pass's record");
  try {
    const aad = concat(INFO, community, place.lid, u32(epoch));
    const key = await crypto.subtle.importKey("raw", place.key, "AES-GCM", false, ["decrypt"]);
    const iv = sealed.slice(LID, LID + NONCE);
    const opened = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: aad }, key, sealed.slice(LID + NONCE));
    const clear = new Uint8Array(opened);
    return JSON.parse(fromUtf8(clear.slice(2, 2 + clear[0] * 256 + clear[1])));
  } catch {
    throw new TableError("damaged, or of another day");
  }
}

/** The key that a pinned one leads to by good signatures; the pinned one itself where nobody followed it. */
export async function follow(pinned, succession) {
  let key = pinned;
  for (const step of succession) {
    if (step.by !== key) continue;
    if (!(await vouched(step))) throw new TableError("a key that the one before it does not vouch for");
    key = step.key;
  }
  return key;
}

async function vouched({ by, key, signature }) {
  try {
    return await ed25519Good(fromText(by), fromText(signature), concat(HANDED_ON_PREFIX, fromText(key)));
  } catch {
    return false; // bytes that are no bytes
  }
}

/** {header, records, removed} of a download this device may use; throws TableError. */
export async function checkDownload(download, signer, { device, community, version = null, newest_ms = 0 }) {
  const { header, records, removed } = await signed(download, signer);
  if (header.device !== device || header.community !== toText(community)) throw new TableError("for another device");
  if (header.issued_ms < newest_ms) throw new TableError("older than the one in use");
  if ((header.since ?? null) !== null && header.since !== version) throw new TableError("does not follow the one in use");
  const whole = (await digest(records)) === header.records && (await digest(removed)) === header.removed;
  if (!whole || records.some((each) => each.length !== RECORD) || removed.some((each) => each.length !== LID)) {
    throw new TableError("not whole");
  }
  return { header, records, removed };
}

async function signed(download, signer) {
  try {
    const body = utf8(download.header);
    if (await ed25519Good(signer, fromText(download.signature), concat(SIGNED_PREFIX, body))) {
      const [records, removed] = [download.records.map(fromText), download.removed.map(fromText)];
      return { header: JSON.parse(download.header), records, removed };
    }
  } catch {
    // falls through: bytes that are no bytes are as good as unsigned
  }
  throw new TableError("not signed by this community");
}

async function digest(parts) {
  return toText(await sha256(concat(...parts)));
}
