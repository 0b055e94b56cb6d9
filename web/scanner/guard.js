// The guard on duty: who decides. Locks after five minutes without use; a PIN protects nothing on a stolen phone.

const IDLE_MS = 5 * 60_000;

export class Guard {
  /** `locked()` is called when the shift ends by itself. */
  constructor(link, locked) {
    Object.assign(this, { link, locked, session: null, operator: null, name: null, verified: false, seenMs: 0 });
    setInterval(() => this.lockWhenIdle(), 5_000);
  }

  get onDuty() {
    return this.operator !== null;
  }

  /** Begin a shift: checked online; without network the number is taken as it is said. */
  async open(operator, pin) {
    if (this.link.online) {
      const found = await this.link.call("/v1/device/pin", { operator, pin });
      Object.assign(this, { session: found.session, operator: found.operator, name: found.name, verified: true });
    } else {
      if (!/^g?\d{1,6}$/i.test(operator)) throw new Error("g1, g2 …");
      const number = operator.toLowerCase().replace(/^g?/, "g");
      Object.assign(this, { session: null, operator: number, name: number, verified: false });
    }
    localStorage.setItem("gate-operator", this.operator);
    this.seenMs = Date.now();
    return this.operator;
  }

  touched() {
    this.seenMs = Date.now();
  }

  lockWhenIdle() {
    if (this.onDuty && Date.now() - this.seenMs > IDLE_MS) this.close();
  }

  close() {
    if (this.session) this.link.call("/v1/device/pin/close", { session: this.session }).catch(() => null);
    Object.assign(this, { session: null, operator: null, name: null, verified: false });
    this.locked();
  }
}
