// What the phone asks the server: without cookies, signed with its key, a number of the server's in each question.

import { fromText } from "../scanner/bytes.js";
import { question } from "./key.js";
import { language } from "./text.js";

/** The answer as JSON; throws Error with a sentence, or TypeError without network. */
export async function send(path, body = null) {
  const headers = { Accept: "application/json", "Accept-Language": language() };
  const asked = body ? { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) } : { headers };
  const response = await fetch(path, { ...asked, credentials: "omit", cache: "no-store" });
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(found.title ?? `HTTP ${response.status}`);
  return found;
}

/** {found, skewMs}: a signed question about the pass `who`, and how far this clock is behind the server's. */
export async function ask(who, path, action, more = {}) {
  const sent = Date.now();
  const { nonce, server_ms } = await send("/v1/me/nonce");
  const skewMs = skew(server_ms, sent);
  return { found: await send(path, { ...(await question(who, nonce, fromText(nonce), action)), ...more }), skewMs };
}

/** Small differences are the network's. */
export function skew(serverMs, sentMs) {
  const behind = serverMs - (sentMs + Date.now()) / 2;
  return Math.abs(behind) < 2_000 ? 0 : Math.round(behind);
}
