// Reports as the wire has them. Twin of sensors/wire.py; both are held to tests/vectors/wire.json.

import { sha256, toHex, utf8 } from "./bytes.js";

export const MAX_REPORTS = 1000;
const MAX_BYTES = 1_048_576;
const MAX_WHOLE = Number.MAX_SAFE_INTEGER;

export class WireError extends Error {}

// ---- what a single value may be ------------------------------------------------------------------------------------

const whole = (least, most) => (value) => Number.isSafeInteger(value) && value >= least && value <= most;
const number = (least, most) => (value) => typeof value === "number" && value >= least && value <= most;
const letters = (text) => Array.from(text).length;
const storable = (text) => !/[\0]/.test(text) && !/\p{Surrogate}/u.test(text);
const text = (most, least = 0) => (value) =>
  typeof value === "string" && letters(value) >= least && letters(value) <= most && storable(value);
const matching = (pattern) => (value) => typeof value === "string" && pattern.test(value);
const oneOf = (...choices) => (value) => choices.includes(value);
const truth = (value) => value === true || value === false;
const object = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const nested = (rules, extra = () => true) => (value) => object(value) && keeps(rules, value) && extra(value);
const exactlyOne = (...names) => (value) => names.filter((name) => present(value, name)).length === 1;
const present = (value, name) => value[name] !== undefined && value[name] !== null;

const SLUG = matching(/^[a-z0-9][a-z0-9-]{0,39}$/);
const WORD = matching(/^[a-z][a-z0-9_-]{0,39}$/);
const BASE64 = matching(/^[A-Za-z0-9_-]{1,4000}$/);
const BOOT = whole(1, MAX_WHOLE);
const SEQ = whole(0, MAX_WHOLE);
const TIME = whole(0, MAX_WHOLE);
const BODIES = whole(1, 10_000);
const WAY = oneOf("in", "out");
const LONG = text(500);
const SHORT = text(100);

// ---- members by kind; a trailing ? marks what may be absent ---------------------------------------------------------

const CARRIERS = ["pass", "ref", "person", "tag", "claimed", "sealed"];
const SEALED = nested({ kid: text(64, 1), epk: BASE64, nonce: BASE64, ct: BASE64 });
const SPAN = nested({ boot: BOOT, from: SEQ, to: SEQ }, (span) => span.from <= span.to);
const SUBJECT = nested({ "pass?": text(500, 1), "bed?": text(100, 1), "tag?": text(64, 1) }, exactlyOne("pass", "bed", "tag"));
const COMMON = { boot: BOOT, seq: SEQ, at: TIME, "skew_ms?": whole(-MAX_WHOLE, MAX_WHOLE) };
const counters = (value) =>
  object(value) && Object.keys(value).length <= 32 && Object.entries(value).every(([name, count]) => WORD(name) && SEQ(count));
const faults = (value) => Array.isArray(value) && value.length <= 50 && value.every(SHORT);

const KINDS = {
  scan: [
    {
      ...COMMON, gate: SLUG, direction: WAY, method: oneOf("rotating", "card", "tag", "manual"),
      decision: oneOf("allow", "check", "stop"), reason: WORD, passed: truth, "pass?": text(500, 1),
      "ref?": matching(/^s_[A-Za-z0-9_-]{8,64}$/), "person?": matching(/^p_[a-z2-7]{12}$/), "tag?": text(64, 1),
      "claimed?": nested({ unit: SHORT, "name?": SHORT }), "sealed?": SEALED, "challenge?": text(64, 1),
      "forced?": truth, "operator?": text(40), "party?": BODIES, "note?": LONG,
    },
    exactlyOne(...CARRIERS),
  ],
  count: [
    {
      ...COMMON, gate: SLUG, direction: WAY, n: whole(0, 10_000), "confidence?": number(0, 1), "from_ms?": TIME,
      "replaces?": SPAN,
    },
    (report) => !present(report, "from_ms") || report.from_ms <= report.at,
  ],
  visitor: [
    {
      ...COMMON, gate: SLUG, direction: WAY, class: WORD, passed: truth, "unit?": SHORT, "party?": BODIES,
      "valid_min?": whole(0, 525_600), "operator?": text(40), "note?": LONG,
    },
  ],
  correction: [{ ...COMMON, of: nested({ boot: BOOT, seq: SEQ }), "note?": LONG }],
  census: [{ ...COMMON, zone: SLUG, n: whole(0, 10_000) }],
  reading: [{ ...COMMON, subject: SUBJECT, quantity: WORD, value: number(-1e12, 1e12), "unit?": text(20), "error?": number(0, 1e12) }],
  gap: [
    { ...COMMON, from: SEQ, to: SEQ, reason: WORD, "from_ms?": TIME, "counters?": counters },
    (report) => report.from <= report.to && (!present(report, "from_ms") || report.from_ms <= report.at),
  ],
  status: [
    { ...COMMON, "counters?": counters, "queue?": SEQ, "version?": text(40), "config?": SEQ, "faults?": faults },
  ],
};

function keeps(rules, value) {
  return Object.entries(rules).every(([name, rule]) => {
    const member = name.replace("?", "");
    return present(value, member) ? rule(value[member]) : name.endsWith("?");
  });
}

/** The canonical text of a report: keep it, send it, send it again. Throws WireError for one the wire would refuse. */
export function encode(report) {
  const [rules, extra = () => true] = (typeof report?.kind === "string" && KINDS[report.kind]) || [];
  if (!rules || !keeps(rules, report) || !extra(report)) throw new WireError(`not a ${report?.kind} as the wire has it`);
  const eventMs = report.at - (report.skew_ms ?? 0);
  if (eventMs < 0 || eventMs > MAX_WHOLE) throw new WireError("an event outside all time");
  return canonical({ kind: report.kind, ...known(rules, report) });
}

function known(rules, value) {
  const names = Object.keys(rules).map((name) => name.replace("?", ""));
  return Object.fromEntries(names.filter((name) => present(value, name)).map((name) => [name, inside(name, value[name])]));
}

// Members that nested parts may carry; anything else in them is left out, as at the top.
const PARTS = {
  of: ["boot", "seq"], replaces: ["boot", "from", "to"], claimed: ["unit", "name"],
  sealed: ["kid", "epk", "nonce", "ct"], subject: ["pass", "bed", "tag"],
};

function inside(name, value) {
  const names = PARTS[name];
  return names ? Object.fromEntries(names.filter((each) => present(value, each)).map((each) => [each, value[each]])) : value;
}

/** RFC 8785: members sorted by UTF-16, numbers as ECMAScript writes them. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!object(value)) return JSON.stringify(Object.is(value, -0) ? 0 : value);
  const members = Object.keys(value).filter((name) => present(value, name)).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

export async function digest(encoded) {
  return toHex(await sha256(utf8(encoded)));
}

/** {body, count}: one request of as many of the first reports as it may carry. */
export function pack(batch, reports, most = MAX_REPORTS) {
  const frame = (parts) => `{"batch":${JSON.stringify(batch)},"reports":[${parts.join(",")}]}`;
  let room = MAX_BYTES - frame([]).length;
  let count = 0;
  for (const report of reports.slice(0, Math.min(most, MAX_REPORTS))) {
    room -= utf8(report).length + 1;
    if (room < 0) break;
    count += 1;
  }
  return { body: frame(reports.slice(0, count)), count };
}

/** A 200 answer; throws WireError, after which nothing may be deleted. */
export function answerFrom(found) {
  const result = { boot: BOOT, seq: SEQ, outcome: text(20), "reason?": LONG };
  const good = object(found) && Array.isArray(found.results) && TIME(found.server_ms) && text(64)(found.batch);
  if (!good || !found.results.every(nested(result))) throw new WireError("this is not an answer to a batch of reports");
  return found;
}
