// My pass: claim it with a slip, show it all day without network, those of others too, see what is kept and who looked.

import { $, h } from "../scanner/dom.js";
import { keepOffline } from "../scanner/offline.js";
import { draw } from "../scanner/qr.js";
import { about } from "./about.js";
import { Answer } from "./answer.js";
import { guestBox, watch } from "./guests.js";
import { codeAt, keep, kept, newKey, publicText } from "./key.js";
import { ask, send, skew } from "./server.js";
import { day, language, otherLanguage, t } from "./text.js";

const REDRAW_MS = 10_000;
const LEARN_MS = 60_000;
let mine = null;
let chosen = null; // the pass of somebody else that is shown now
const answer = new Answer(() => redraw());
let timer = 0;
let learntMs = 0;

async function start() {
  keepOffline("/me/sw.js", "/me/pass");
  $("language").onclick = () => (otherLanguage(), show());
  addEventListener("hashchange", () => mine || show()); // the slip's code, scanned while the page was open
  addEventListener("online", () => (state(), learnAgain()));
  addEventListener("offline", state);
  document.addEventListener("visibilitychange", () => document.hidden || (redraw(), learnAgain()));
  if (isSecureContext && !inWeChat()) [mine, chosen] = [(await kept("mine")) ?? null, (await kept("chosen")) ?? null];
  show();
  watch(async (path, action) => (await ask(mine, path, action)).found);
  if (mine) learn().catch(() => null); // without network the pass works as it is
}

const inWeChat = () => /MicroMessenger/i.test(navigator.userAgent);

function show() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  document.title = $("title").textContent = t("title");
  $("language").textContent = t("other");
  $("language").lang = language() === "zh" ? "en" : "zh-CN";
  clearInterval(timer);
  const page = inWeChat() ? weChat() : !isSecureContext ? needsHttps() : !mine ? claiming() : mine.stopped ? stopped() : passing();
  $("main").replaceChildren(...page);
  if (mine && !mine.stopped && $("code")) {
    redraw();
    timer = setInterval(redraw, REDRAW_MS);
  }
}

function weChat() {
  const steps = ["wechat_1", "wechat_2", "wechat_3"].map((name) => h("li", {}, t(name)));
  return [h("section", { id: "wechat" }, h("h2", {}, t("wechat")), h("p", {}, t("wechat_hint")), h("ol", {}, ...steps))];
}

function needsHttps() {
  return [h("section", {}, h("h2", {}, t("https")), h("p", {}, t("https_hint")))];
}

function claiming() {
  const code = h("input", { id: "slip", autocomplete: "off", autocapitalize: "characters", maxLength: 12, placeholder: "XXXXX-XXXXX", value: slipCode() });
  const [wrong, go] = [h("p.wrong", { role: "alert" }), h("button.go", { id: "claim" }, t("claim_go"))];
  go.onclick = () => attempt(go, wrong, () => claim(code.value.trim()));
  const label = h("label", { htmlFor: "slip" }, t("code"));
  return [h("section", {}, h("h2", {}, t("claim")), h("p", {}, t("claim_hint")), label, code, go, wrong, h("p.muted", {}, t("replaces")))];
}

/** The slip's QR code carries its code behind the #, where no server sees it. */
const slipCode = () => (/^#[A-Za-z0-9-]{10,11}$/.test(location.hash) ? location.hash.slice(1) : "");

async function claim(code) {
  // Kept before it is sent: when the answer is lost, the key that the server knows is not.
  const pair = (await kept("pair")) ?? (await newKey());
  await keep("pair", pair);
  const sent = Date.now();
  const made = await send("/v1/me/claim", { code, public_key: await publicText(pair) });
  mine = { ...made, key: pair.privateKey, skewMs: skew(made.server_ms, sent) };
  await keep("mine", mine);
  await keep("pair", undefined);
  navigator.storage?.persist?.().catch(() => false);
  history.replaceState(null, "", "/me/pass");
  show();
  learn().catch(() => null);
}

/** The passes of others that still may be shown; without network their end is this phone's to keep. */
const others = () => (mine.others ?? []).filter((each) => Date.now() + mine.skewMs < each.until_ms);

/** The pass on the screen: this phone signs for each with its own key. */
function current() {
  const other = others().find((each) => each.pass === chosen);
  return other ? { ...mine, pass: other.pass, handle: other.handle, name: other.name, other } : mine;
}

async function choose(pass) {
  chosen = pass;
  answer.given = null;
  show();
  await keep("chosen", pass ?? undefined);
}

/** Whose pass is shown: the own one first. */
function people() {
  if (!others().length) return null;
  const now = current().pass;
  const pick = (pass, name, kind) => h("button", { role: "radio", ariaChecked: String(now === (pass ?? mine.pass)), onclick: () => choose(pass) }, name, h("small", {}, kind));
  const theirs = others().map((each) => pick(each.pass, each.name, `${t(each.relation)} · ${t("until", { day: day(each.until_ms - 1) })}`));
  return h("section.people", { id: "people", role: "radiogroup", ariaLabel: t("whose") }, pick(null, mine.name, t("own")), ...theirs);
}

function passing() {
  const code = h("canvas", { id: "code", role: "img", ariaLabel: t("show") });
  const clock = mine.skewMs ? h("p.muted", {}, t("clock", { n: Math.round(Math.abs(mine.skewMs) / 1000) })) : null;
  const line = h("span.left", { id: "line" });
  const who = current();
  const pass = h("section.pass", {}, code, h("strong", { id: "whose" }, who.name), h("p", {}, mine.place), line, h("p.muted", {}, t("redrawn")), clock);
  setTimeout(state);
  const look = who.other && !who.other.sees ? [h("p.muted", {}, t("only_show"))] : [lookButton()];
  const lost = h("section", {}, h("p.muted", {}, t(who.other ? "give_back_hint" : "lost")), endButton());
  return [guestBox(), people(), pass, h("section", { id: "answer" }, ...answer.parts(mine.uid)), opened(who.pass) ?? h("section", { id: "about" }, ...look), lost].filter(Boolean);
}

/** What is being read about this pass stays when the page is drawn again under it. */
function opened(pass) {
  const about = $("about");
  return about?.dataset.pass === pass && about.dataset.language === language() ? about : null;
}

function state() {
  const line = $("line");
  if (!line) return;
  line.textContent = t(navigator.onLine ? "online" : "offline");
  line.classList.toggle("offline", !navigator.onLine);
}

async function redraw() {
  if (!$("code") || document.hidden) return;
  const text = await codeAt(current(), Date.now(), answer.bytes());
  if ($("code")) draw($("code"), text);
}

function stopped() {
  const go = h("button.go", { id: "again" }, t("again"));
  go.onclick = async () => ((mine = chosen = null), await keep("mine", undefined), await keep("chosen", undefined), show());
  return [h("section", { id: "stopped" }, h("h2", {}, t("stopped")), h("p", {}, t("stopped_hint")), go)];
}

// --- asking the server ---

/** A question about the own pass; the answer says whether it still works, and the time. */
async function askMine(path, action) {
  const { found, skewMs } = await ask(mine, path, action);
  await remember({ skewMs, ...(action === "passes" ? { others: found.items } : { stopped: found.status !== "active" }) });
  return found;
}

async function remember(more) {
  mine = { ...mine, ...more };
  await keep("mine", mine);
}

/** Whether the pass still works, whose passes this phone shows, and by how much the clock is off. */
async function learn() {
  learntMs = Date.now();
  const known = () => JSON.stringify([Boolean(mine.stopped), mine.skewMs, mine.others ?? []]);
  const before = known();
  await askMine("/v1/me/look", "look");
  if (!mine.stopped) await askMine("/v1/me/passes", "passes");
  if (known() !== before) show();
}

/** A pass that was taken back goes from this phone when it is looked at again. */
function learnAgain() {
  if (mine && !mine.stopped && Math.abs(Date.now() - learntMs) > LEARN_MS) learn().catch(() => null);
}

function lookButton() {
  const [wrong, go] = [h("p.wrong", { role: "alert" }), h("button.plain", { id: "look" }, t("look"))];
  go.onclick = () => attempt(go, wrong, look);
  return h("div", {}, go, wrong);
}

async function look() {
  const who = current();
  const found = who.other ? (await ask(who, "/v1/me/look", "look")).found : await askMine("/v1/me/look", "look");
  if (mine.stopped) return show();
  if (found.status !== "active") return learn();
  const asked = (path, action, more) => ask(who, path, action, more);
  Object.assign($("about").dataset, { pass: who.pass, language: language() });
  $("about").replaceChildren(...about(found, { ask: asked, again: look, attempt }));
}

function endButton() {
  const [wrong, go] = [h("p.wrong", { role: "alert" }), h("button.plain.stop", { id: "end" }, t(current().other ? "give_back" : "end"))];
  let asked = false;
  go.onclick = () => {
    if (!asked) return (asked = true), (go.textContent = t(current().other ? "give_back_sure" : "end_sure"));
    return attempt(go, wrong, async () => {
      const who = current();
      if (!who.other) return await askMine("/v1/me/end", "end"), show();
      await ask(who, "/v1/me/end", "end");
      await remember({ others: mine.others.filter((each) => each.pass !== who.pass) });
      return choose(null);
    });
  };
  return h("div", {}, go, wrong);
}

async function attempt(button, wrong, work) {
  button.disabled = true;
  wrong.textContent = "";
  try {
    await work();
  } catch (error) {
    wrong.textContent = t("failed", { why: error instanceof TypeError ? t("network") : error.message });
  }
  button.disabled = false;
}

start();
