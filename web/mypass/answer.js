// The guard asks for a number: typed or read from the guard's screen, then signed into the code for a minute.

import { fromHex } from "../scanner/bytes.js";
import { $, h, onEnter } from "../scanner/dom.js";
import { GOOD_MS, challengeOf, inGroups, numberIn } from "../scanner/number.js";
import { t } from "./text.js";

const NOTHING = new Uint8Array();

export class Answer {
  /** `changed()` draws the code anew. */
  constructor(changed) {
    Object.assign(this, { changed, given: null, open: false, camera: null });
    setInterval(() => this.tick(), 1_000);
  }

  /** The 16 bytes to sign now; none when no number was given, or its minute is over. */
  bytes() {
    return this.given && Date.now() < this.given.until_ms ? this.given.bytes : NOTHING;
  }

  parts(uid) {
    this.uid = uid;
    if (this.given) return this.answering();
    return this.open ? this.asking() : [h("button.plain", { id: "asked", onclick: () => this.turn(true) }, t("answer"))];
  }

  draw() {
    $("answer")?.replaceChildren(...this.parts(this.uid));
  }

  turn(open) {
    this.stop();
    this.open = open;
    this.draw();
    $("number")?.focus();
    if (open) $("answer").scrollIntoView({ block: "nearest" });
  }

  asking() {
    const number = h("input", { id: "number", inputMode: "numeric", autocomplete: "off", maxLength: 7, placeholder: "000 000", ariaLabel: t("answer_number") });
    const wrong = h("p.wrong", { id: "number-wrong", role: "alert" });
    const give = () => this.give(numberIn(number.value)) || (wrong.textContent = t("answer_wrong"));
    number.addEventListener("input", () => numberIn(number.value) && give());
    onEnter(number, give);
    const scan = h("button.plain", { id: "scan", onclick: () => this.scan(scan, wrong) }, t("answer_scan"));
    return [
      h("h2", {}, t("answer")), h("p", {}, t("answer_hint")), number, h("button.go", { id: "give", onclick: give }, t("answer_go")), scan, wrong,
      h("button.plain", { onclick: () => this.turn(false) }, t("answer_back")),
    ];
  }

  answering() {
    const back = h("button.plain", { id: "ordinary", onclick: () => this.over() }, t("answer_back"));
    return [h("div.answering", {}, h("strong", { id: "answering" }, t("answering", { n: inGroups(this.given.number) })), h("p.muted", { id: "answer-left" }, this.left())), back];
  }

  left() {
    return t("answer_left", { n: Math.max(0, Math.ceil((this.given.until_ms - Date.now()) / 1000)) });
  }

  /** Whether it is a number; then the code answers it for a minute. */
  give(number) {
    if (!number) return false;
    this.stop();
    challengeOf(fromHex(this.uid), number).then((bytes) => {
      this.given = { number, bytes, until_ms: Date.now() + GOOD_MS };
      this.draw();
      this.changed();
      scrollTo({ top: 0 });
    });
    return true;
  }

  over() {
    this.given = null;
    this.turn(false);
    this.changed();
  }

  tick() {
    if (!this.given) return;
    if (!this.bytes().length) return this.over();
    if ($("answer-left")) $("answer-left").textContent = this.left();
  }

  // ---- reading the guard's screen -------------------------------------------------------------------------------------

  async scan(button, wrong) {
    if (this.camera) return this.turn(true);
    const { Camera } = await import("../scanner/camera.js");
    const video = h("video.scan", { muted: true, playsInline: true });
    const read = (text) => this.give(numberIn(text)) || (wrong.textContent = t("answer_other"));
    const none = () => ((wrong.textContent = t("answer_camera")), video.remove(), this.stop());
    this.camera = new Camera(video, read, (state) => state === "none" && none(), "/me/pass/decoder.js");
    button.before(video);
    button.textContent = t("answer_stop");
    await this.camera.wake();
  }

  stop() {
    this.camera?.close();
    this.camera = null;
  }
}
