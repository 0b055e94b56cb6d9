// What is known of the inside: the server's state with its age, and what this phone saw since.

export class Inside {
  constructor(clock) {
    this.clock = clock;
    this.state = null;
    this.own = new Map();
  }

  take(state) {
    this.state = { ...state, lids: new Set(state.inside), taken_ms: this.clock() };
    this.own.clear();
  }

  /** A passage that this phone has just recorded. */
  passed(lid, direction) {
    if (lid) this.own.set(lid, direction === "in");
  }

  has(lid) {
    return this.own.get(lid) ?? this.state?.lids.has(lid) ?? false;
  }

  ageMs() {
    return this.state ? this.clock() - this.state.taken_ms : null;
  }

  /** [token_s, when] of the newest code of a pass that another phone saw, or null. */
  shownElsewhere(lid) {
    return this.state?.shown?.[lid] ?? null;
  }

  /** The evaluator's state for one record. */
  of(lid, record) {
    const known = this.own.has(lid) || this.state;
    return {
      inside: lid && known ? this.has(lid) : null,
      used: record?.household ? (this.state?.used[record.household] ?? 0) : null,
      full: this.state?.full ?? false,
      age_ms: this.ageMs(),
    };
  }
}
