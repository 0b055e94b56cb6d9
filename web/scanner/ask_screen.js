// The number on the guard's screen: large, and as a code that the resident's phone can read. The camera goes on reading.

import { $, h } from "./dom.js";
import { GOOD_MS, asCode, inGroups } from "./number.js";
import { draw } from "./qr.js";
import { t } from "./text.js";

/** Show an open number; `over()` is called when its minute is over, `again()` and `close()` by the guard. */
export function show(asked, { over, again, close }) {
  hide();
  const code = h("canvas", { role: "img", ariaLabel: t("ask_code") });
  const left = h("div.left", {}, h("i"));
  left.firstChild.style.animationDuration = `${GOOD_MS}ms`;
  const box = h(
    "section.ask", { id: "ask", role: "region", ariaLabel: t("ask_title") },
    h("strong", { id: "ask-number" }, inGroups(asked.number)),
    h("div.asked", {}, code, h("div", {}, h("p", {}, t("ask_title")), h("p.hint", {}, t("ask_hint")))),
    left, h("p.said-so", { id: "ask-say", role: "status" }),
    h("div.row", {}, h("button.plain", { onclick: close }, t("close")), h("button.plain", { onclick: again }, t("ask_again"))),
  );
  box.timer = setTimeout(over, GOOD_MS);
  document.body.append(box);
  draw(code, asCode(asked.number));
}

/** What is wrong with what was just held out, without taking the number away. */
export function say(words) {
  const box = $("ask-say");
  if (box && box.textContent !== words) box.textContent = words;
}

export function hide() {
  const box = $("ask");
  clearTimeout(box?.timer);
  box?.remove();
}
