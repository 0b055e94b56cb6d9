// The phone's key and its pass. The private key is made here, cannot be read out of the browser, and signs the codes.
// Signed bytes: community_flow/domain/passes.py for codes, community_flow/services/my_pass.py for questions.

import { concat, fromHex, toHex, toText, u32, utf8 } from "../scanner/bytes.js";

const NAME = "flow-me";
const EPOCH_S = 1_767_225_600;
const CODE_PREFIX = utf8("community-flow/pass/v1\0");
const ASK_PREFIX = utf8("community-flow/me/v1\0");
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const ED25519 = { name: "Ed25519" };
const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** A new key pair: Ed25519 where the browser has it, else P-256. Neither gives its private key out. */
export async function newKey() {
  try {
    return await crypto.subtle.generateKey(ED25519, false, ["sign", "verify"]);
  } catch {
    return crypto.subtle.generateKey(P256, false, ["sign", "verify"]);
  }
}

export async function publicText(pair) {
  return toText(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
}

async function sign(key, message) {
  if (key.algorithm.name === "Ed25519") return new Uint8Array(await crypto.subtle.sign("Ed25519", key, message));
  return lowS(new Uint8Array(await crypto.subtle.sign(P256, key, message)));
}

/** Of the two spellings of a P-256 signature the one that a gate accepts. */
function lowS(signature) {
  const s = BigInt(`0x${toHex(signature.subarray(32))}`);
  if (s <= ORDER / 2n) return signature;
  return concat(signature.subarray(0, 32), fromHex((ORDER - s).toString(16).padStart(64, "0")));
}

const NOTHING = new Uint8Array();

/**
 * The text to show at a moment: 0x11 Ed25519, 0x13 P-256, the handle and the second, signed for the community. With the
 * 16 bytes of a guard's number the type is one more, and the number is signed too.
 */
export async function codeAt(mine, atMs, challenge = NOTHING) {
  const type = (mine.key.algorithm.name === "Ed25519" ? 0x11 : 0x13) + (challenge.length ? 1 : 0);
  const head = concat(Uint8Array.of(type), fromHex(mine.handle), u32(Math.floor((atMs + mine.skewMs) / 1000) - EPOCH_S));
  const signature = await sign(mine.key, concat(CODE_PREFIX, fromHex(mine.uid), challenge, head));
  return `CF1:${base45(concat(head, signature))}`;
}

/** The body of a signed question: `action` is look, passes or end, or the bytes of a request. */
export async function question(mine, nonce, nonceBytes, action) {
  const message = concat(ASK_PREFIX, fromHex(mine.uid), nonceBytes, typeof action === "string" ? utf8(action) : action);
  return { community: mine.community, pass: mine.pass, nonce, signature: toText(await sign(mine.key, message)) };
}

/** What a request to the office signs: its kind and every word. */
export async function requestAction(kind, text) {
  return concat(utf8("request"), new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(`${kind}\0${text}`))));
}

export function base45(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2) {
    const pair = at + 1 < bytes.length;
    let value = pair ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
    for (let letter = 0; letter < (pair ? 3 : 2); letter += 1, value = Math.floor(value / 45)) text += ALPHABET[value % 45];
  }
  return text;
}

// --- what the phone keeps ---

async function store() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore("kv");
  return done(request);
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export async function kept(name) {
  return done((await store()).transaction("kv").objectStore("kv").get(name));
}

/** On disk when this returns; `undefined` forgets. */
export async function keep(name, value) {
  const tx = (await store()).transaction("kv", "readwrite", { durability: "strict" });
  value === undefined ? tx.objectStore("kv").delete(name) : tx.objectStore("kv").put(value, name);
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error);
  });
}
