// Sealing to the ingest key: what waits in the queue can be read only by the server. Twin of
// community_flow/domain/sealing.py; both are held to tests/vectors/seal.json.

import { concat, hkdf, toText, utf8 } from "./bytes.js";

const INFO = utf8("community-flow/seal/v1");
const BLOCK = 192;
const CURVE = { name: "ECDH", namedCurve: "P-256" };

/** {kid, epk, nonce, ct}; `ephemeral` and `nonce` are given only by tests. */
export async function seal(content, kid, recipient, ephemeral = null, nonce = null) {
  const pair = ephemeral ?? (await crypto.subtle.generateKey(CURVE, false, ["deriveBits"]));
  const iv = nonce ?? crypto.getRandomValues(new Uint8Array(12));
  const epk = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const peer = await crypto.subtle.importKey("raw", recipient, CURVE, false, []);
  const shared = new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: peer }, pair.privateKey, 256));
  const secret = await hkdf(shared, concat(epk, recipient), INFO, 32);
  const key = await crypto.subtle.importKey("raw", secret, "AES-GCM", false, ["encrypt"]);
  const additionalData = concat(INFO, new Uint8Array(1), utf8(kid));
  const ct = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, padded(content)));
  return { kid, epk: toText(epk), nonce: toText(iv), ct: toText(ct) };
}

/** JSON and spaces to a whole number of blocks, so that the length does not tell what it is. */
function padded(content) {
  const clear = utf8(JSON.stringify(content));
  const whole = new Uint8Array(Math.ceil(clear.length / BLOCK) * BLOCK).fill(32);
  whole.set(clear);
  return whole;
}
