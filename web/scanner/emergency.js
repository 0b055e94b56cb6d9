// Emergency free flow: everyone passes. Begun and ended by a guard's number, counted, known to every phone of the gate as
// soon as there is network, and kept on this one until the server knows how it ended.

const NAME = "emergency";

export class Emergency {
  static async open(store, link) {
    const emergency = new Emergency(store, link);
    emergency.state = await store.secret(NAME);
    return emergency;
  }

  constructor(store, link) {
    Object.assign(this, { store, link, state: null });
  }

  get on() {
    return Boolean(this.state && !this.state.ended_ms);
  }

  begin(gate, operator, nowMs) {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    return this.keep({ id, gate, begun_ms: nowMs, begun_by: operator, counted: 0, ended_ms: null, ended_by: null });
  }

  end(operator, nowMs) {
    return this.keep({ ...this.state, ended_ms: nowMs, ended_by: operator });
  }

  count(bodies) {
    return this.keep({ ...this.state, counted: this.state.counted + bodies });
  }

  async keep(state, known = null) {
    this.state = state && { ...state, known_ms: known };
    await this.store.keepSecret(NAME, this.state);
    if (state && known === null) this.tell().catch(() => null); // nobody waits for the network; told again with the next state
  }

  /** Tell the server what it does not know yet. */
  async tell() {
    const { known_ms: known, ...told } = this.state ?? {};
    if (!this.state || known !== null) return;
    const { server_ms: serverMs } = await this.link.call("/v1/device/emergency", told);
    if (this.state?.id !== told.id || this.state.counted !== told.counted || this.state.ended_ms !== told.ended_ms) return;
    await this.keep(told.ended_ms ? null : told, serverMs);
  }

  /** What the server says of this gate: begun at another phone, or ended there. */
  async heard({ emergency, as_of_ms: asOfMs }) {
    await this.tell().catch(() => null);
    const begunElsewhere = emergency && emergency.id !== this.state?.id && !this.state;
    if (begunElsewhere) await this.keep({ ...emergency, gate: this.gate?.(), counted: 0, ended_ms: null, ended_by: null }, asOfMs);
    else if (this.on && this.state.known_ms !== null && emergency?.id !== this.state.id && asOfMs > this.state.known_ms) await this.keep(null);
  }
}
