// Readers that type like a keyboard. Framed by prefix and Enter, read by key position: a Chinese input method or another
// layout changes the characters, never the positions, and a pause in the middle cuts nothing.

const PLAIN = { Space: " ", Minus: "-", Period: ".", Slash: "/", NumpadSubtract: "-", NumpadDecimal: ".", NumpadDivide: "/" };
const SHIFTED = { Digit4: "$", Digit5: "%", Digit8: "*", Equal: "+", Semicolon: ":", NumpadAdd: "+", NumpadMultiply: "*" };
const LONGEST = 400;
const TAG = /^[0-9A-F]{8,20}$/;
const FAST_MS = 60;
const STALE_MS = 5_000;

/** The character a key stands for on the reader's own (US) layout, or null. */
export function letterOf(code, shift) {
  if (shift && SHIFTED[code]) return SHIFTED[code];
  if (PLAIN[code]) return PLAIN[code];
  return /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(code)?.[1] ?? null;
}

export class Wedge {
  /** `read({pass})` or `read({tag})`. A tag is only believed when it was typed faster than a hand can. */
  constructor(target, read) {
    this.read = read;
    this.clear();
    target.addEventListener("keydown", (event) => this.pressed(event), { capture: true });
  }

  clear() {
    Object.assign(this, { text: "", startMs: 0, lastMs: 0 });
  }

  pressed(event) {
    const now = event.timeStamp;
    if (now - this.lastMs > STALE_MS) this.clear();
    if (event.code === "Enter" || event.code === "NumpadEnter") return this.framed(event);
    const letter = event.ctrlKey || event.altKey || event.metaKey ? null : letterOf(event.code, event.shiftKey);
    if (letter === null) return;
    if (!this.text) this.startMs = now;
    this.lastMs = now;
    this.text = (this.text + letter).slice(-LONGEST);
    // From the prefix on this is a reader: what it types must not land in a field.
    if (this.text.includes("CF1:")) event.preventDefault();
  }

  framed(event) {
    const { text, startMs, lastMs } = this;
    this.clear();
    const at = text.lastIndexOf("CF1:");
    const fast = text.length > 1 && (lastMs - startMs) / (text.length - 1) < FAST_MS;
    if (at < 0 && !(fast && TAG.test(text))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.read(at >= 0 ? { pass: text.slice(at) } : { tag: text });
  }
}
