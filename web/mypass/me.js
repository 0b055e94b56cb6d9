// My pass: claim it with a slip, show it all day without network, see what is kept and who looked.

import { fromText } from "../scanner/bytes.js";
import { $, h } from "../scanner/dom.js";
import { draw } from "../scanner/qr.js";
import { Answer } from "./answer.js";
import { guestBox, watch } from "./guests.js";
import { codeAt, keep, kept, newKey, publicText, question } from "./key.js";
import { language, moment, otherLanguage, t } from "./text.js";

const REDRAW_MS = 10_000;
let mine = null;
const answer = new Answer(() => redraw());
let timer = 0;

async function start() {
  navigator.serviceWorker?.register("/me/sw.js", { scope: "/me/pass" }).catch(() => null);
  $("language").onclick = () => (otherLanguage(), show());
  addEventListener("hashchange", () => mine || show()); // the slip's code, scanned while the page was open
  addEventListener("online", state);
  addEventListener("offline", state);
  document.addEventListener("visibilitychange", () => document.hidden || redraw());
  if (isSecureContext && !inWeChat()) mine = (await kept("mine")) ?? null;
  show();
  watch(ask);
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
}

/** How far this phone's clock is behind the server's; small differences are the network's. */
function skew(serverMs, sentMs) {
  const behind = serverMs - (sentMs + Date.now()) / 2;
  return Math.abs(behind) < 2_000 ? 0 : Math.round(behind);
}

function passing() {
  const code = h("canvas", { id: "code", role: "img", ariaLabel: t("show") });
  const clock = mine.skewMs ? h("p.muted", {}, t("clock", { n: Math.round(Math.abs(mine.skewMs) / 1000) })) : null;
  const line = h("span.left", { id: "line" });
  const pass = h("section.pass", {}, code, h("strong", {}, mine.name), h("p", {}, mine.place), line, h("p.muted", {}, t("redrawn")), clock);
  setTimeout(state);
  return [guestBox(), pass, h("section", { id: "answer" }, ...answer.parts(mine.uid)), h("section", { id: "about" }, lookButton()), h("section", {}, h("p.muted", {}, t("lost")), endButton())];
}

function state() {
  const line = $("line");
  if (!line) return;
  line.textContent = t(navigator.onLine ? "online" : "offline");
  line.classList.toggle("offline", !navigator.onLine);
}

async function redraw() {
  if (!$("code") || document.hidden) return;
  const text = await codeAt(mine, Date.now(), answer.bytes());
  if ($("code")) draw($("code"), text);
}

function stopped() {
  const go = h("button.go", { id: "again" }, t("again"));
  go.onclick = async () => ((mine = null), await keep("mine", undefined), show());
  return [h("section", { id: "stopped" }, h("h2", {}, t("stopped")), h("p", {}, t("stopped_hint")), go)];
}

// --- asking the server ---

async function ask(path, action) {
  const sent = Date.now();
  const { nonce, server_ms } = await send("/v1/me/nonce");
  const found = await send(path, await question(mine, nonce, fromText(nonce), action));
  mine = { ...mine, skewMs: skew(server_ms, sent), stopped: found.status !== "active" };
  await keep("mine", mine);
  return found;
}

/** Whether the pass still works, and by how much the clock is off. */
async function learn() {
  const before = JSON.stringify([mine.stopped, mine.skewMs]);
  await ask("/v1/me/look", "look");
  if (JSON.stringify([mine.stopped, mine.skewMs]) !== before) show();
}

function lookButton() {
  const [wrong, go] = [h("p.wrong", { role: "alert" }), h("button.plain", { id: "look" }, t("look"))];
  go.onclick = () => attempt(go, wrong, async () => {
    const found = await ask("/v1/me/look", "look");
    if (mine.stopped) return show();
    $("about").replaceChildren(...keptAbout(found));
  });
  return h("div", {}, go, wrong);
}

function keptAbout({ about, looks }) {
  const record = about.record;
  const lines = record ? [record.name, record.unit, record.phone, record.note].filter(Boolean).map((text) => h("li", {}, text)) : [];
  const place = (visit) => about.zones[visit.zone]?.[language()] ?? visit.zone;
  const visits = about.visits.map((visit) => h("li", {}, `${place(visit)} · ${moment(visit.entered_ms)} – ${moment(visit.left_ms)}`));
  const seen = looks.map((row) => h("li", {}, `${moment(row.at_ms)} · ${row.by ?? t("system")} · ${row.what}${row.purpose ? ` · ${row.purpose}` : ""}`));
  const save = h("button.plain", { id: "export" }, t("export"));
  save.onclick = () => download({ about, looks });
  return [
    h("h2", {}, t("record")), h("ul", {}, ...lines), h("p.muted", {}, t("desk")),
    h("h2", {}, t("looks")), seen.length ? h("ul", { id: "looks" }, ...seen) : h("p.muted", {}, t("no_looks")),
    h("h2", {}, t("stays")), visits.length ? h("ul", {}, ...visits) : h("p.muted", {}, t("no_stays")), save,
  ];
}

function download(everything) {
  const file = new Blob([JSON.stringify(everything, null, 2)], { type: "application/json" });
  const link = h("a", { href: URL.createObjectURL(file), download: "my-data.json" });
  link.click();
  URL.revokeObjectURL(link.href);
}

function endButton() {
  const [wrong, go] = [h("p.wrong", { role: "alert" }), h("button.plain.stop", { id: "end" }, t("end"))];
  let asked = false;
  go.onclick = () => {
    if (!asked) return (asked = true), (go.textContent = t("end_sure"));
    return attempt(go, wrong, async () => (await ask("/v1/me/end", "end"), show()));
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

async function send(path, body = null) {
  const headers = { Accept: "application/json", "Accept-Language": language() };
  const asked = body ? { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) } : { headers };
  const response = await fetch(path, { ...asked, credentials: "omit", cache: "no-store" });
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(found.title ?? `HTTP ${response.status}`);
  return found;
}

start();
