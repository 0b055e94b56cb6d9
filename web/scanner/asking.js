// Asking a phone for an answer: begun by the guard, or by a gate that asks every phone; ended by the answer or a minute.

import { Challenges } from "./challenge.js";
import { language } from "./text.js";

// Only when somebody asks: the first start is over a weak network. The service worker keeps it for later.
const screen = () => import("./ask_screen.js");

export class Asking {
  constructor(desk) {
    this.desk = desk;
    this.challenges = new Challenges(() => performance.now());
    this.waiting = null;
  }

  /** Show a new number; `found` is a code that was held out before it, shown as it was when nobody answers. */
  async begin(found = null) {
    this.waiting = found ?? this.waiting;
    const asked = await this.challenges.ask(this.desk.list.community);
    this.desk.camera?.wake();
    const close = () => this.unanswered();
    (await screen()).show(asked, { over: close, close, again: () => this.begin() });
  }

  /** Whether a reading asks for a number or still owes the answer, so that it is no result yet. */
  async holds(found) {
    if (found.asks) return this.begin(found), true;
    if (found.owes) return (await screen()).say(found.decision[language()]), true;
    await this.end();
    return false;
  }

  async unanswered() {
    const found = this.waiting;
    await this.end();
    if (found) await this.desk.show(found);
  }

  async end() {
    this.waiting = null;
    if (!this.challenges.asked && !document.getElementById("ask")) return;
    this.challenges.close();
    (await screen()).hide();
  }
}
