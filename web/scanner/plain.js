// A pass from a photo where the address is not https: the browser gives no camera and no keys here, so the server looks at
// the pass for whoever is signed in, and keeps what the guard does with it. Only with network: nothing waits on the phone.

import { decode as token } from "./cf1.js";
import { decode } from "./decoding.js";
import { h, icon } from "./dom.js";
import { send } from "./setup.js";
import { language, named, t } from "./text.js";

const boot = randomBoot();
let seq = 0;

/** Fill a box with the choice of gate and a photo; with a way to sign in when nobody is. */
export async function byPhoto(box) {
  const session = await fetch("/gate/session", { headers: { Accept: "application/json" } }).then((answer) => answer.json());
  const gates = session.communities.flatMap(({ community, gates: own }) => own.map((gate) => ({ community, gate: gate.gate, words: named(gate.names) })));
  if (!gates.length) return box.replaceChildren(h("a.plain", { href: "/login?next=/gate" }, t("setup_sign_in")));
  const gate = h("select", { ariaLabel: t("setup_gate") }, ...gates.map((each, place) => h("option", { value: place }, each.words)));
  const way = h("select", { ariaLabel: t("direction") }, ...["in", "out"].map((each) => h("option", { value: each }, t(each))));
  const file = h("input", { type: "file", accept: "image/*", capture: "environment", hidden: true });
  const answer = h("div", { role: "alert" });
  file.onchange = async () => {
    const { community, gate: name } = gates[gate.value];
    const shown = await look({ community, gate: name, direction: way.value }, file.files[0], session);
    answer.replaceChildren(...shown);
    file.value = "";
  };
  box.replaceChildren(h("div.box", {},
    h("h3", {}, t("photo")), h("label.field", {}, t("setup_gate"), gate), h("label.field", {}, t("direction"), way),
    h("button.go", { onclick: () => file.click() }, t("photo")), file, answer));
}

async function look(place, file, session) {
  if (!file) return [];
  const code = await createImageBitmap(file).then((bitmap) => decode(bitmap, true)).catch(() => null);
  if (!code?.startsWith("CF1:")) return [h("p.wrong", {}, t("photo_none"))];
  try {
    const found = await send("/gate/look", { ...place, code }, session.csrf);
    const words = h("div.word", {}, icon(`r-${found.decision}`), h("h2", {}, t(found.decision)), h("p", {}, found[language()]));
    const said = h("div.said", {}, words, found.name ? h("p", {}, found.name) : null);
    said.dataset.decision = found.decision;
    return [said, ...deciding(place, scan(place, code, found, session), found.decision, session)];
  } catch (error) {
    return [h("p.wrong", {}, t("failed", { why: error.message || t("network") }))];
  }
}

/** The scan as the wire has it, in clear: there are no keys here to seal it with, and the server has seen the pass. */
function scan({ gate, direction }, pass, { decision, reason, server_ms: serverMs }, session) {
  seq += 1;
  return {
    boot, seq, at: Date.now(), skew_ms: Math.round(Date.now() - serverMs), kind: "scan", gate, direction, pass,
    method: (token(pass).type ?? 0) === 0x21 ? "card" : "rotating", decision, reason, party: 1, note: "photo",
    ...(session.operator ? { operator: session.operator } : {}),
  };
}

/** Who is allowed is recorded at once; otherwise the guard says what became of it. A stop is never let in from here. */
function deciding(place, report, decision, session) {
  const box = h("div", { role: "status" });
  const keep = async (passed) => {
    box.replaceChildren(h("p.hint", {}, t("plain_keeping")));
    try {
      await record(place, { ...report, passed, forced: false }, session.csrf);
      box.replaceChildren(h("p.hint", {}, t(passed ? "plain_passed" : "plain_turned")));
    } catch (error) {
      // The same report again: however often it is sent it counts once.
      const again = h("button.plain", { onclick: () => keep(passed) }, t("retry"));
      box.replaceChildren(h("p.wrong", {}, t("failed", { why: error.message || t("network") })), again);
    }
  };
  const act = (words, passed, kind) => h(`button.${kind}`, { onclick: () => keep(passed) }, t(words));
  if (decision === "allow") keep(true);
  else box.append(act("turn_back", false, decision === "stop" ? "go" : "plain"), ...(decision === "check" ? [act("let_in", true, "go")] : []));
  return [box];
}

async function record(place, report, csrf) {
  const device = await bound(place, csrf);
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${device.token}`, Accept: "application/json" };
  const body = JSON.stringify({ batch: `photo-${boot}-${report.seq}`, reports: [report] });
  const response = await fetch("/v1/reports", { method: "POST", headers, body, credentials: "omit" });
  if (response.status === 401) localStorage.removeItem(nameOf(place)); // revoked: bound anew with the next try
  const { results } = response.ok ? await response.json() : {};
  if (!["accepted", "duplicate"].includes(results?.[0].outcome)) throw new Error(results?.[0].reason ?? `HTTP ${response.status}`);
}

const nameOf = ({ community, gate }) => `gate-photo/${community}/${gate}`;

/** This browser as a device of the gate, bound once by whoever is signed in. */
async function bound(place, csrf) {
  const kept = localStorage.getItem(nameOf(place));
  if (kept) return JSON.parse(kept);
  const { community, gate } = place;
  const made = await send("/gate/bind", { community, gate }, csrf);
  localStorage.setItem(nameOf(place), JSON.stringify({ device: made.device, token: made.token }));
  return made;
}

function randomBoot() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return (high % 2 ** 21) * 2 ** 32 + low || 1;
}
