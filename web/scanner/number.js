// The number that a guard's screen shows and a phone answers. Held to tests/vectors/passes.json.

import { concat, utf8 } from "./bytes.js";

const PREFIX = utf8("community-flow/challenge/v1\0");
const SHOWN = /^(?:CFQ1:)?([0-9]{6})$/;
export const GOOD_MS = 60_000;

/** The 16 bytes that are signed for a number of six digits. */
export async function challengeOf(community, number) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(PREFIX, community, utf8(number)))).slice(0, 16);
}

/** The number in what was typed, or read from the guard's screen; null when it is none. */
export const numberIn = (text) => SHOWN.exec(text.replace(/[\s-]/g, ""))?.[1] ?? null;

export const asCode = (number) => `CFQ1:${number}`;

export const inGroups = (number) => `${number.slice(0, 3)} ${number.slice(3)}`;
