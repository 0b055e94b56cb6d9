// Challenges: a number that a gate makes up, and the code that a phone signs over it. A copy of a screen cannot answer.
// Held to tests/vectors/passes.json.

import { equal } from "./bytes.js";
import { isChallenged } from "./cf1.js";
import { GOOD_MS, challengeOf } from "./number.js";

// As long as a code that answered one can be good, by its clock.
const REMEMBERED_MS = 120_000;

export class Challenges {
  /** `now()` in milliseconds that nobody can set back. Nothing is kept on disk: after a restart there is no open one. */
  constructor(now) {
    Object.assign(this, { now, asked: null, past: [] });
  }

  /** The one that is open, or null: it ends after a minute. */
  get open() {
    if (this.asked && this.now() >= this.asked.until_ms) this.close();
    return this.asked;
  }

  /** A new number; the one before is over. */
  async ask(community, number = sixDigits()) {
    const bytes = await challengeOf(community, number);
    this.close();
    return (this.asked = { number, bytes, until_ms: this.now() + GOOD_MS });
  }

  /** It is over, answered by a code with this signature or by nobody. */
  close(signature = null) {
    if (!this.asked) return;
    this.past.unshift({ ...this.asked, signature });
    this.asked = null;
  }

  /**
   * What a code says to the open number: {answer, bytes}. none: nobody asked; missing: it answers nothing; answered,
   * which ends the number; old: it answers one that is over; wrong; unasked: it answers, and nobody asked.
   * `good(bytes)` proves the code's signature over a challenge.
   */
  async judge(code, good) {
    const { open } = this;
    if (!isChallenged(code)) return { answer: open ? "missing" : "none" };
    if (open && (await good(open.bytes))) {
      if (this.asked !== open) return { answer: "old", bytes: open.bytes };
      this.close(code.signature);
      return { answer: "answered", bytes: open.bytes };
    }
    this.past = this.past.filter((each) => this.now() < each.until_ms + REMEMBERED_MS);
    for (const { bytes, signature } of this.past) {
      // The code that has just answered is still in the picture: the same showing, which counts once.
      if (await good(bytes)) return { answer: signature && equal(signature, code.signature) ? "answered" : "old", bytes };
    }
    return { answer: open ? "wrong" : "unasked", bytes: open?.bytes };
  }
}

/** Each number equally likely. */
function sixDigits() {
  const limit = 4_294_000_000;
  for (;;) {
    const [drawn] = crypto.getRandomValues(new Uint32Array(1));
    if (drawn < limit) return String(drawn % 1_000_000).padStart(6, "0");
  }
}
