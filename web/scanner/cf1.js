// CF1: what a pass's QR code says and whether it is genuine. Twin of community_flow/domain/passes.py; both are held to
// tests/vectors/passes.json.

import { concat, equal, utf8 } from "./bytes.js";
import { ed25519Good, p256Good } from "./signatures.js";

const PREFIX = "CF1:";
const TEXT_LENGTH = 120;
const HEAD_LENGTH = 13;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const SIGNED_PREFIX = utf8("community-flow/pass/v1\0");
const CARD = 0x21;
const CHALLENGED = [0x12, 0x14];
const P256 = [0x13, 0x14];
const TYPES = [0x11, 0x12, 0x13, 0x14, CARD];
export const EPOCH_S = 1_767_225_600;
const OLDEST_S = -45;
const NEWEST_S = 15;

/** A token, or {fault: "not_ours" | "malformed" | "unknown_type"}. Nothing is trimmed: spaces are data. */
export function decode(text) {
  if (!text.startsWith(PREFIX)) return { fault: "not_ours" };
  const raw = text.length === TEXT_LENGTH ? base45(text.slice(PREFIX.length)) : null;
  if (!raw) return { fault: "malformed" };
  if (!TYPES.includes(raw[0])) return { fault: "unknown_type" };
  return token(raw);
}

function token(raw) {
  const view = new DataView(raw.buffer);
  const common = { type: raw[0], head: raw.slice(0, HEAD_LENGTH), signature: raw.slice(HEAD_LENGTH) };
  if (raw[0] !== CARD) return { ...common, handle: raw.slice(1, 9), token_s: view.getUint32(9) };
  return { ...common, key_id: raw[1], handle: raw.slice(2, 10), expiry_day: view.getUint16(10), serial: raw[12] };
}

/** The bytes of strict base45, or null. */
function base45(text) {
  const out = [];
  for (let at = 0; at < text.length; at += 3) {
    const values = Array.from(text.slice(at, at + 3), (letter) => ALPHABET.indexOf(letter));
    if (values.length < 2 || values.includes(-1)) return null;
    const value = values[0] + values[1] * 45 + (values[2] ?? 0) * 2025;
    if (value >= (values.length === 3 ? 65_536 : 256)) return null;
    if (values.length === 3) out.push(value >> 8);
    out.push(value & 255);
  }
  return Uint8Array.from(out);
}

export const isCard = (code) => code.type === CARD;
export const isChallenged = (code) => CHALLENGED.includes(code.type);

function signedBytes(community, head, challenge) {
  return concat(SIGNED_PREFIX, community, challenge, head);
}

/** good, foreign, forged or unknown_key; `keys` are {community, id, key} as bytes. */
export async function proveCard(code, community, keys) {
  const ours = (key) => equal(key.community, community);
  const named = keys.filter((key) => key.id === code.key_id);
  for (const key of [...named.filter(ours), ...named.filter((each) => !ours(each))]) {
    if (await ed25519Good(key.key, code.signature, signedBytes(key.community, code.head, new Uint8Array()))) {
      return ours(key) ? "good" : "foreign";
    }
  }
  return named.some(ours) ? "forged" : "unknown_key";
}

/** good, forged or no_challenge; algorithm and allowed types come from the record, never from the token alone. */
export async function proveRotating(code, community, credential, challenge = new Uint8Array()) {
  if (!credential.types.includes(code.type)) return "forged";
  const challenged = isChallenged(code);
  if (challenged && challenge.length !== 16) return "no_challenge";
  const message = signedBytes(community, code.head, challenged ? challenge : new Uint8Array());
  const good = P256.includes(code.type) ? p256Good : ed25519Good;
  return (await good(credential.key, code.signature, message)) ? "good" : "forged";
}

/** Whether a rotating code's time fits the event time; a card carries none. */
export function clockGood(code, atMs) {
  if (code.token_s === undefined) return true;
  const aheadMs = (code.token_s + EPOCH_S) * 1000 - atMs;
  return OLDEST_S * 1000 <= aheadMs && aheadMs <= NEWEST_S * 1000;
}
