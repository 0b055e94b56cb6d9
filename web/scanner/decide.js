// From what was read to one decision. No network: the list, the clock and what is known of the inside are here.

import { evaluate, replay } from "./admission.js";
import { fromText, toText } from "./bytes.js";
import { clockGood, decode, isCard, proveCard, proveRotating } from "./cf1.js";
import { TableError } from "./table.js";

/**
 * Read a code. {decision, record, lid, method, content, direction, asks, owes}: `content` is what is sealed for
 * the server; `asks` when the gate wants a number answered first, `owes` when the answer is awaited. `gate` is the evaluator's, with direction "in", "out" or "auto";
 * `inside` answers state(lid, record) of the moment; `challenges` judges answers to numbers.
 */
export async function decideCode(text, list, gate, inside, challenges) {
  const code = decode(text);
  const content = { pass: text.slice(0, 500) };
  if (code.fault) return unread(code.fault, gate, content);
  const { lid, record, broken } = await found(list, code);
  const { bytes, ...shown } = isCard(code)
    ? await card(code, list, challenges)
    : await rotating(code, list, record, lid, gate, inside, challenges);
  if (bytes) content.challenge = toText(bytes);
  const at = { ...gate, direction: direction(gate, lid, inside) };
  const state = inside.of(lid, record);
  const decision = evaluate(shown, broken ? null : record, at, state);
  if (!isCard(code) && decision.decision === "allow" && shown.replay === "fresh") {
    await list.keepShown(lid, code.token_s, gate.at_ms);
  }
  const method = isCard(code) ? "card" : "rotating";
  const unanswered = method === "rotating" && decision.reason === "replayed_code";
  const asks = unanswered && shown.challenge === "none" && Boolean(gate.challenge) && at.direction === "in";
  const owes = unanswered && shown.challenge === "missing";
  return { decision, record, lid, method, content, direction: at.direction, asks, owes };
}

function unread(fault, gate, content) {
  const direction = gate.direction === "out" ? "out" : "in";
  const decision = evaluate({ kind: "card", fault }, null, { ...gate, direction }, {});
  return { decision, record: null, lid: null, method: "card", content, direction };
}

async function found(list, code) {
  try {
    return await list.find(code.handle);
  } catch (error) {
    if (error instanceof TableError) return { lid: null, record: null, broken: true };
    throw error;
  }
}

async function card(code, list, challenges) {
  const proof = await proveCard(code, list.community, list.cardKeys);
  return { kind: "card", proof, serial: code.serial, expiry_day: code.expiry_day, challenge: challenges.open ? "missing" : "none" };
}

async function rotating(code, list, record, lid, gate, inside, challenges) {
  // Without a record there is no key: an unknown code, not a forged one.
  if (!record?.key) return { kind: "rotating", proof: record ? "forged" : "good", clock_good: clockGood(code, gate.at_ms) };
  const { proof, challenge, bytes } = await proven(code, list, record, challenges);
  const [own, elsewhere] = [await list.lastShown(code.handle, lid), inside.shownElsewhere(lid)];
  const last = !own || (elsewhere && elsewhere[0] > own[0]) ? elsewhere : own;
  const windowMs = (gate.dedup_window_s ?? 30) * 1000;
  return {
    kind: "rotating", proof, challenge, bytes, clock_good: clockGood(code, gate.at_ms),
    replay: replay(last, code.token_s, gate.at_ms, windowMs),
  };
}

/** A code that answers a number is proven by the number; whether a bad answer is forged or mistyped nobody can tell. */
async function proven(code, list, record, challenges) {
  const credential = { key: fromText(record.key), types: record.types };
  const proof = await proveRotating(code, list.community, credential);
  if (proof === "forged") return { proof, challenge: "none" };
  const good = async (bytes) => (await proveRotating(code, list.community, credential, bytes)) === "good";
  const { answer, bytes } = await challenges.judge(code, good);
  return answer === "unasked" ? { proof: "no_challenge", challenge: "none" } : { proof: "good", challenge: answer, bytes };
}

/** AUTO: whoever is inside goes out, everyone else comes in. */
function direction(gate, lid, inside) {
  if (gate.direction !== "auto") return gate.direction;
  return inside.has(lid) ? "out" : "in";
}

/** The same for a record that the server gave: an IC card, or somebody found by a search. */
export function decideRecord(kind, record, gate, inside) {
  const direction = gate.direction === "out" ? "out" : "in";
  const at = { ...gate, direction };
  return { decision: evaluate({ kind }, record, at, inside.of(null, record)), record, lid: null, direction };
}
