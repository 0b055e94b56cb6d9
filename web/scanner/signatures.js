// Ed25519 and P-256. WebCrypto first; browsers without its Ed25519 use the kept library.

import { toHex } from "./bytes.js";

let native = null;

// Keys, without their sign bit, under which one signature fits many messages (see the Python twin, domain/passes.py).
const SMALL_ORDER = new Set([
  "0".repeat(64),
  "01" + "0".repeat(62),
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ...["ec", "ed", "ee"].map((first) => first + "f".repeat(60) + "7f"),
]);

function manySigners(key) {
  const bare = Uint8Array.from(key);
  bare[31] &= 0x7f;
  return SMALL_ORDER.has(toHex(bare));
}

/** Whether `signature` over `message` is by the holder of `key` (32 bytes). Never throws. */
export async function ed25519Good(key, signature, message) {
  if (key.length !== 32 || signature.length !== 64 || manySigners(key)) return false;
  native ??= await hasNative();
  return native ? nativeGood(key, signature, message) : libraryGood(key, signature, message);
}

async function hasNative() {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]);
    return true;
  } catch (error) {
    return error.name !== "NotSupportedError";
  }
}

async function nativeGood(key, signature, message) {
  try {
    const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, signature, message);
  } catch {
    return false; // 32 bytes that are no point
  }
}

export async function libraryGood(key, signature, message) {
  const { verifyAsync } = await import("../vendor/ed25519/index.js");
  try {
    return await verifyAsync(signature, message, key, { zip215: false });
  } catch {
    return false;
  }
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** Raw r || s with low s, under an uncompressed point. Never throws. */
export async function p256Good(key, signature, message) {
  if (key.length !== 65 || key[0] !== 4 || signature.length !== 64) return false;
  const [r, s] = [number(signature.subarray(0, 32)), number(signature.subarray(32))];
  if (r === 0n || r >= ORDER || s === 0n || s > ORDER / 2n) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", key, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, signature, message);
  } catch {
    return false; // a point off the curve
  }
}

function number(bytes) {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
