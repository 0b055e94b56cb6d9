// May this pass go through this gate now? One answer, one reason, one sentence in Chinese and English. Twin of
// community_flow/domain/admission.py; both are held to tests/vectors/admission.json.

import { EPOCH_S } from "./cf1.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const ADVICE_AFTER_MS = 10 * MINUTE_MS;
const GRACE_DAYS = 14;
const EVERY_DAY = "1234567";
const THURSDAY = 3; // the first day of 1970, counted from Monday
const DAYS = { zh: [["周一", "周二", "周三", "周四", "周五", "周六", "周日"], "至", "、"], en: [["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "–", ", "] };
export const STALE_MS = DAY_MS;
export const DEAD_MS = 14 * DAY_MS;

// sentence: [decision, reason, zh, en]
const SENTENCES = {
  ok_in: ["allow", "ok", "已登记进入", "Entry recorded"],
  ok_out: ["allow", "ok", "已登记离开", "Exit recorded"],
  duplicate: ["allow", "duplicate", "刚才已登记，不重复计数", "Recorded a moment ago, counted once"],
  free_flow: ["allow", "free_flow", "应急放行，已计数", "Emergency: everyone passes, counted"],
  inside: ["allow", "already_inside", "系统显示已在内，请留意是否本人", "On record as inside: is it the same person?"],
  inside_hard: ["check", "already_inside", "系统显示已在内，请核对本人", "On record as inside: please check who this is"],
  not_ours: ["check", "unknown", "这不是社区通行码，请出示通行码或登记", "Not a community pass: show one or register"],
  unknown: ["check", "unknown", "名单里没有这个通行码，请到服务台核实", "Not on this gate's list: please ask at the desk"],
  newer: ["check", "unknown", "此卡比本机名单新，请联网更新名单", "This card is newer than the list: go online to update it"],
  tag_offline: ["check", "unknown", "IC 卡须联网核实，请改用房号登记", "Card numbers need the network: register by unit instead"],
  malformed: ["check", "error", "没有读完整，请再扫一次", "Not read completely: please scan again"],
  version: ["check", "error", "通行码版本较新，请更新本程序", "Made for a newer version: please update this app"],
  list_dead: ["check", "error", "名单超过 14 天未更新，请联网", "The list is over 14 days old: please go online"],
  revoked: ["stop", "revoked", "通行码已停用，请到服务台办理", "This pass was withdrawn: ask at the desk for a new one"],
  replaced: ["stop", "revoked", "此卡已换发，请出示新卡", "This card was replaced: please show the new one"],
  copied: ["stop", "copied", "此码被人复制，已停用，请到服务台换发", "This pass was copied and is blocked: get a new one"],
  forged: ["stop", "forged", "不是本社区签发的通行码，请到服务台办理", "Not a genuine pass of this community: get one at the desk"],
  wrong_community: ["check", "wrong_community", "这是其他社区的通行码，请按访客登记", "A pass of another community: register a visitor"],
  expired: ["check", "expired", "{date} 已到期，请到服务台续期", "Expired on {date}: please renew it at the desk"],
  grace: ["check", "expired", "{date} 已到期，宽限期内，请尽快续期", "Expired on {date}, still in its grace: renew it soon"],
  not_yet: ["check", "not_yet", "{date} 起生效，请届时再来", "Valid from {date}: please come back then"],
  wrong_gate: ["check", "wrong_gate", "请走{gates}", "Please use {gates}"],
  no_gate: ["check", "wrong_gate", "未开通任何出入口，请到服务台", "Not set up for any gate: please ask at the desk"],
  quota: ["check", "quota", "本户今日 {n} 次出行已用完，请明日再出行", "The household used its {n} outings of today: go out tomorrow"],
  time_window: ["check", "time_window", "可通行时段 {windows}，请届时再来", "This pass is good {windows}: please come then"],
  gate_closed: ["check", "time_window", "此门 {windows} 开放，请走其他门或届时再来", "This gate is open {windows}: use another or come then"],
  zone_full: ["check", "zone_full", "里面人已满，请稍候", "It is full inside: please wait a moment"],
  hold: ["check", "hold", "请到服务台", "Please go to the desk"],
  replayed: ["check", "replayed_code", "此码已用过，请在手机上刷新再扫", "This code was used before: refresh it and scan again"],
  challenge_asked: ["check", "replayed_code", "此门要核对数字，请让住户在手机上输入", "This gate asks phones for a number: it is typed in My pass"],
  challenge_missing: ["check", "replayed_code", "还没有回答数字，请在手机上点“门岗要数字”", "No answer yet: tap “The guard asks for a number” on the phone"],
  challenge_card: ["check", "replayed_code", "卡片不能回答数字，请改用手机码或核对本人", "A card cannot answer a number: use the phone or check who it is"],
  challenge_wrong: ["check", "replayed_code", "数字不对，请输入门岗屏幕上的数字", "Another number: please type the one on the guard's screen"],
  challenge_old: ["check", "replayed_code", "数字已用过或过期，请换一个数字再试", "That number is used or over a minute old: ask for a new one"],
  challenge_unasked: ["check", "replayed_code", "这里没有问过数字，请在手机上换回普通码", "No number was asked here: show the ordinary code on the phone"],
  clock_skew: ["check", "clock_skew", "手机时间不准，请设为自动再扫", "The phone's clock is off: set it to automatic and retry"],
  undecided: ["check", "undecided", "尚未处理", "Not decided yet"],
};

/**
 * {decision, reason, zh, en}. `shown`: {kind, fault, proof, clock_good, replay, challenge, serial, expiry_day}; `record`: from the
 * table, or null; `gate`: {gate, direction, at_ms, utc_offset_min, passback, challenge, exits, windows, rules, quota, free_flow, online,
 * list_age_ms, names}, `rules` being {gates, windows} by pass type; `state`: {inside, used, full, age_ms}.
 */
export function evaluate(shown, record, gate, state) {
  if (gate.free_flow) return say("free_flow");
  for (const rule of [reading, standing, use, validity, ownRule, surroundings]) {
    const decision = rule(shown, record, gate, state);
    if (decision) return decision;
  }
  return say(gate.direction === "in" ? "ok_in" : "ok_out");
}

function reading(shown, record, gate) {
  if (shown.fault) return say({ not_ours: "not_ours", unknown_type: "version" }[shown.fault] ?? "malformed");
  if (shown.kind === "tag" && gate.online === false) return say("tag_offline");
  if (shown.proof === "forged" || shown.proof === "unknown_key") return say("forged");
  if (shown.proof === "foreign") return say("wrong_community");
  if (shown.proof === "no_challenge") return say("challenge_unasked");
  if ((gate.list_age_ms ?? 0) > DEAD_MS) return say("list_dead");
  return record ? null : say("unknown");
}

function standing(shown, record) {
  if (record.status === "revoked" || record.status === "copied") return say(record.status);
  if (absent(shown.serial) || absent(record.serial) || shown.serial === record.serial) return null;
  return say(shown.serial < record.serial ? "replaced" : "newer");
}

function use(shown, record, gate) {
  const asked = challenge(shown, gate);
  if (asked) return say(asked);
  if (shown.clock_good === false) return say("clock_skew");
  if ((shown.replay ?? "fresh") !== "fresh") return say(shown.replay === "same" ? "duplicate" : "replayed");
  return record.hold ? say("hold") : null;
}

/** What is wrong with the answer to the guard's number; no card can answer one, and no gate of its own asks cards. */
function challenge(shown, gate) {
  const answer = shown.challenge ?? "none";
  if (answer === "wrong" || answer === "old") return `challenge_${answer}`;
  if (answer === "missing") return shown.kind === "card" ? "challenge_card" : "challenge_missing";
  return gate.challenge && gate.direction === "in" && shown.kind === "rotating" && answer === "none" ? "challenge_asked" : null;
}

function validity(shown, record, gate) {
  if (gate.direction === "out") return null;
  const offset = gate.utc_offset_min ?? 0;
  if (!absent(record.from_ms) && gate.at_ms < record.from_ms) return say("not_yet", { date: moment(record.from_ms, offset) });
  const end = endMs(shown, record, offset);
  if (gate.at_ms < end) return null;
  const inGrace = shown.kind === "card" && record.type !== "visitor" && gate.at_ms < end + GRACE_DAYS * DAY_MS;
  return say(inGrace ? "grace" : "expired", { date: day(end - 1, offset) });
}

/** When the pass ends: by the record, or at the end of the local day printed into the card. */
function endMs(shown, record, offset) {
  const printed = ((shown.expiry_day + 1) * 86_400 + EPOCH_S) * 1000 - offset * MINUTE_MS;
  return Math.min(record.until_ms ?? Infinity, absent(shown.expiry_day) ? Infinity : printed);
}

function ownRule(shown, record, gate, state) {
  if (gate.direction === "out") return outings(record, gate, state);
  const rule = gate.rules?.[record.type ?? "resident"] ?? {};
  const gates = record.gates ?? rule.gates;
  if (!absent(gates) && !gates.includes(gate.gate)) return listGates(gates, gate.names ?? {});
  const windows = record.windows?.length ? record.windows : (rule.windows ?? []);
  if (!open(windows, gate)) return sayHours("time_window", windows);
  const own = gate.windows ?? [];
  return open(own, gate) ? null : sayHours("gate_closed", own);
}

/** The household's number, else the community's; where the way out is free, nobody is asked. */
function outings(record, gate, state) {
  const quota = absent(record.quota) && !absent(record.household) ? gate.quota : record.quota;
  if (absent(quota) || gate.exits === "free" || !fresh(state) || absent(state.used) || state.used < quota) return null;
  return say("quota", { n: String(quota) });
}

function surroundings(shown, record, gate, state) {
  if (gate.direction === "out") return null;
  if (state.inside && (gate.passback ?? "off") !== "off") {
    return say(gate.passback === "hard" && fresh(state) ? "inside_hard" : "inside");
  }
  return state.full && fresh(state) ? say("zone_full") : null;
}

/** fresh, same or older: what a rotating code's time says beside the last one, [token_s, when first shown in ms]. */
export function replay(last, tokenS, atMs, windowMs) {
  if (!last || tokenS > last[0]) return "fresh";
  return tokenS === last[0] && atMs >= last[1] && atMs - last[1] <= windowMs ? "same" : "older";
}

export function say(sentence, values = {}) {
  const [decision, reason, zh, en] = SENTENCES[sentence];
  return { decision, reason, zh: fill(zh, values), en: fill(en, values) };
}

function fill(sentence, values) {
  return Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), sentence);
}

function listGates(gates, names) {
  if (!gates.length) return say("no_gate");
  const listed = (language, separator) => gates.map((gate) => names[gate]?.[language] || gate).join(separator);
  const [decision, reason, zh, en] = SENTENCES.wrong_gate;
  return { decision, reason, zh: fill(zh, { gates: listed("zh", "、") }), en: fill(en, { gates: listed("en", ", ") }) };
}

const open = (windows, gate) => !windows.length || windows.some((window) => within(window, gate));

function sayHours(sentence, windows) {
  const [decision, reason, zh, en] = SENTENCES[sentence];
  const said = (language) => windows.map(([start, end, days = EVERY_DAY]) => `${daysSaid(days, language)} ${start}–${end}`.trimStart()).join(", ");
  return { decision, reason, zh: fill(zh, { windows: said("zh") }), en: fill(en, { windows: said("en") }) };
}

/** Runs of three days and more by their ends; nothing for every day. */
function daysSaid(days, language) {
  if (days === EVERY_DAY) return "";
  const [names, to, between] = DAYS[language];
  const runs = [...days].reduce((made, day) => (made.at(-1)?.at(-1) === day - 1 ? made.at(-1).push(+day) : made.push([+day]), made), []);
  const said = (named) => (named.length < 3 ? named : [named[0] + to + named.at(-1)]);
  return runs.flatMap((run) => said(run.map((day) => names[day - 1]))).join(between);
}

/** Local time in [start, end) on its days; what crosses midnight belongs to the day on which it begins. */
function within([from, until, days = EVERY_DAY], gate) {
  const local = Math.floor(gate.at_ms / MINUTE_MS) + (gate.utc_offset_min ?? 0);
  const [day, minute] = [Math.floor(local / 1440), ((local % 1440) + 1440) % 1440];
  const [start, end] = [from, until].map((text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3)));
  const on = (back) => days.includes(String(((((day - back + THURSDAY) % 7) + 7) % 7) + 1));
  if (start <= end) return on(0) && start <= minute && minute < end;
  return (on(0) && minute >= start) || (on(1) && minute < end);
}

const absent = (value) => value === undefined || value === null;
const fresh = (state) => !absent(state.age_ms) && state.age_ms <= ADVICE_AFTER_MS;
const moment = (atMs, offset) => new Date(Math.floor(atMs / 1000) * 1000 + offset * MINUTE_MS).toISOString().slice(0, 16).replace("T", " ");
const day = (atMs, offset) => moment(atMs, offset).slice(0, 10);
