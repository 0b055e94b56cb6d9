// Guests at a gate of whom this household is asked: looked for while the page is open, answered with the phone's key.

import { $, h } from "../scanner/dom.js";
import { language, moment, t } from "./text.js";

const EVERY_MS = 4_000;
let shown = "";

export const guestBox = () => ((shown = ""), h("section", { id: "guests", ariaLive: "polite", hidden: true }));

/** `ask(path, action)` sends a question that the phone signs. */
export function watch(ask) {
  const look = async () => {
    if (document.hidden || !navigator.onLine || !$("guests")) return;
    draw(ask, (await ask("/v1/me/guests", "guests")).items);
  };
  setInterval(() => look().catch(() => null), EVERY_MS); // the next look is soon
}

function draw(ask, items) {
  const box = $("guests");
  const now = JSON.stringify(items);
  if (!box || shown === now) return;
  if (items.length && shown) navigator.vibrate?.(200);
  shown = now;
  box.replaceChildren(...items.flatMap((item) => guest(ask, item)));
  box.hidden = !items.length;
}

function guest(ask, { ask: id, gate, party, asked_ms: askedMs }) {
  const wrong = h("p.wrong", { role: "alert" });
  const answer = (word) => async () => {
    try {
      await ask(`/v1/me/guests/${id}/${word}`, `guest ${id} ${word}`);
      $("guests").replaceChildren(h("p", {}, t(`guest_said_${word}`)));
      shown = "[]";
    } catch (error) {
      wrong.textContent = error instanceof TypeError ? t("network") : error.message;
    }
  };
  const place = gate[language()] || gate.zh || gate.en || "";
  return [
    h("h2", {}, t("guest_asked", { gate: place })), h("p", {}, t("guest_party", { n: party, at: moment(askedMs) })),
    h("button.go", { id: "guest-yes", onclick: answer("yes") }, t("guest_yes")),
    h("button.plain.stop", { id: "guest-no", onclick: answer("no") }, t("guest_no")), wrong,
  ];
}
