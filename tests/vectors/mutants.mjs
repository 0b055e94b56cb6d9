// Reads mutated passes with the gate's own code: JSON on stdin (tests/mutants.py: world, codes), {answers, us, library,
// rules_us} on stdout. `--without-ed25519` takes WebCrypto's Ed25519 away first, as in browsers that lack it.

import { readFileSync } from "node:fs";

let asked = 0;
if (process.argv.includes("--without-ed25519")) {
  const { importKey } = crypto.subtle;
  crypto.subtle.importKey = function (format, key, algorithm, ...rest) {
    if ((algorithm.name ?? algorithm) !== "Ed25519") return importKey.call(crypto.subtle, format, key, algorithm, ...rest);
    asked += 1;
    return Promise.reject(new DOMException("Unrecognized algorithm name", "NotSupportedError"));
  };
}

const { evaluate } = await import("../../web/scanner/admission.js");
const { fromText, toHex } = await import("../../web/scanner/bytes.js");
const { clockGood, decode, isCard, proveCard, proveRotating } = await import("../../web/scanner/cf1.js");

const world = JSON.parse(readFileSync(0, "utf8"));
const home = fromText(world.community);
const challenge = fromText(world.challenge);
const keys = world.keys.map((each) => ({ community: fromText(each.community), id: each.id, key: fromText(each.key) }));
const gate = { gate: "east", direction: "in", at_ms: world.at_ms };

const said = (proof, shown, record) => {
  const { decision, reason } = evaluate(shown, record, gate, {});
  return `${proof}/${decision}/${reason}`;
};

async function answer(text) {
  const code = decode(text);
  if (code.fault) return said(code.fault, { kind: "card", fault: code.fault }, null);
  if (isCard(code)) {
    const proof = await proveCard(code, home, keys);
    return said(proof, { kind: "card", proof }, { status: "active" });
  }
  const clock_good = clockGood(code, world.at_ms);
  if (toHex(code.handle) !== world.phone) return said("nobody", { kind: "rotating", proof: "good", clock_good }, null);
  const record = code.type === 0x13 || code.type === 0x14 ? world.p256 : world.ed25519;
  const proof = await proveRotating(code, home, { key: fromText(record.key), types: record.types }, challenge);
  return said(proof, { kind: "rotating", proof, clock_good }, { status: "active" });
}

const answers = [];
const start = process.cpuUsage();
for (const code of world.codes) {
  answers.push(await answer(code).catch((error) => `threw ${error.stack}`));
}
const { user, system } = process.cpuUsage(start);
const { cases } = JSON.parse(readFileSync(new URL("admission.json", import.meta.url)));
const rulesStart = process.cpuUsage();
for (let turn = 0; turn < 20; turn += 1) for (const { shown, record, gate: at, state } of cases) evaluate(shown, record, at, state);
const rules = process.cpuUsage(rulesStart);
const rules_us = (rules.user + rules.system) / (20 * cases.length);
process.stdout.write(JSON.stringify({ answers, us: (user + system) / Math.max(1, world.codes.length), library: asked, rules_us }));
