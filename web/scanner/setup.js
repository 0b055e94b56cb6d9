// Making this phone a gate phone: with a one-time code, or by somebody who is signed in on it.

import "./setup_text.js";
import { $, h } from "./dom.js";
import { language, named, setLanguage, t } from "./text.js";

/** Resolves with {device, token, community} once bound. */
export function setUp(notice = "") {
  return new Promise((resolve) => {
    const box = $("setup");
    const done = (device) => ((box.hidden = true), box.replaceChildren(), resolve(device));
    const draw = async () => {
      const session = await fetch("/gate/session", { headers: { Accept: "application/json" } }).then((r) => r.json()).catch(() => null);
      box.replaceChildren(h("div", {}, tools(draw), h("h2", {}, t("setup_title")), notice ? h("p.wrong", {}, notice) : "", ...ways(session, done)));
      box.hidden = false;
      document.body.dataset.view = "setup";
    };
    draw();
  });
}

/** Without https a browser gives neither camera nor keys: say so, and where to go. */
export function needsHttps() {
  const box = $("setup");
  const go = h("a.go", { href: "/trust" }, t("https_go"));
  const photo = h("div");
  box.replaceChildren(h("div", {}, h("h2", {}, t("https_title")), h("p", {}, t("https_hint")), go, photo));
  box.hidden = false;
  // The rest of the app is not even asked for here; a photo is looked at by the server, for whoever is signed in.
  import("./plain.js").then(({ byPhoto }) => byPhoto(photo)).catch(() => null);
}

function tools(draw) {
  const other = language() === "zh" ? "en" : "zh";
  return h("div.tools", {}, h("button", { onclick: () => (setLanguage(other), draw()) }, t("language")));
}

function ways(session, done) {
  const mine = session?.communities?.length ? [byGate(session, done), byPin(session)] : [h("a.go", { href: "/login?next=/gate" }, t("setup_sign_in"))];
  return [byCode(done), h("p.or", {}, t("setup_or")), ...mine];
}

function byCode(done) {
  const code = h("input", { autocomplete: "off", autocapitalize: "characters", maxLength: 12, placeholder: "XXXXX-XXXXX", ariaLabel: t("setup_code") });
  const wrong = h("p.wrong", { role: "alert" });
  const go = h("button.go", {}, t("setup_claim"));
  go.onclick = () => attempt(go, wrong, async () => done(await send("/v1/device/claim", { code: code.value.trim() })));
  return h("div.box", {}, h("h3", {}, t("setup_code")), h("p.hint", {}, t("setup_code_hint")), h("label.field.code", {}, code), wrong, go);
}

function byGate(session, done) {
  const wrong = h("p.wrong", { role: "alert" });
  const button = (community, gate) => {
    const go = h("button.plain", {}, `${named(community.names)} · ${named(gate.names)}`);
    const wanted = { community: community.community, gate: gate.gate };
    go.onclick = () => attempt(go, wrong, async () => done(await send("/gate/bind", wanted, session.csrf)));
    return go;
  };
  const all = session.communities.flatMap((community) => community.gates.map((gate) => button(community, gate)));
  const hint = t("setup_gate_hint", { name: session.name });
  return h("div.box", {}, h("h3", {}, t("setup_gate")), h("p.hint", {}, hint), h("div.gates", {}, ...all), wrong);
}

function byPin(session) {
  const pin = h("input", { type: "password", inputMode: "numeric", autocomplete: "new-password", maxLength: 8, ariaLabel: t("setup_pin") });
  const told = h("p.hint", {}, session.operator ? t("setup_pin_done", { n: session.operator }) : t("setup_pin_hint"));
  const wrong = h("p.wrong", { role: "alert" });
  const go = h("button.plain", {}, t("setup_pin"));
  go.onclick = () => attempt(go, wrong, async () => {
    const { operator } = await send("/gate/pin", { pin: pin.value }, session.csrf);
    told.textContent = t("setup_pin_done", { n: operator });
    pin.value = "";
  });
  return h("div.box", {}, h("h3", {}, t("setup_pin")), told, h("label.field", {}, pin), wrong, go);
}

async function attempt(button, wrong, work) {
  button.disabled = true;
  wrong.textContent = "";
  try {
    await work();
  } catch (error) {
    wrong.textContent = t("failed", { why: error.message || t("network") });
  }
  button.disabled = false;
}

export async function send(path, body, csrf = null) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "Accept-Language": language() };
  if (csrf) headers["X-CSRFToken"] = csrf;
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(found.title ?? `HTTP ${response.status}`);
  return found;
}
