// The camera: starts by itself, reads QR codes only, sleeps after a minute without use.

import { decode, stream } from "./decoding.js";

const SLEEP_MS = 60_000;
const GONE_MS = 2_000;

export class Camera {
  /** `read(text)` hears each code once while it stays in view; `told(state)` hears running, asleep or none. */
  constructor(video, read, told) {
    Object.assign(this, { video, read, told });
    this.last = { text: null, ms: 0 };
    this.busy = false;
    setInterval(() => this.sleepWhenIdle(), 2_000);
    document.addEventListener("visibilitychange", () => (document.hidden ? this.sleep() : this.wake()));
  }

  async wake() {
    this.touchedMs = Date.now();
    if (this.stream || this.starting || this.closed) return;
    this.starting = true;
    try {
      this.stream = await stream();
      if (this.closed) return this.stop();
      this.video.srcObject = this.stream;
      await this.video.play();
      this.told("running");
      this.lock = await navigator.wakeLock?.request("screen").catch(() => null);
      this.watch();
    } catch {
      this.stop();
      this.told("none");
    } finally {
      this.starting = false;
    }
  }

  sleep() {
    if (!this.stream) return;
    this.stop();
    this.told("asleep");
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    this.lock?.release().catch(() => null);
    this.lock = null;
  }

  /** For good: the resident's app reads one number and is done. */
  close() {
    this.closed = true;
    this.stop();
  }

  touched() {
    this.touchedMs = Date.now();
  }

  sleepWhenIdle() {
    if (this.stream && Date.now() - this.touchedMs > SLEEP_MS) this.sleep();
  }

  /** Read frame after frame, never two at once: a slow phone skips frames instead of falling behind. */
  watch() {
    if (!this.stream) return;
    const frame = this.video.requestVideoFrameCallback ? (run) => this.video.requestVideoFrameCallback(run) : requestAnimationFrame;
    frame(async () => {
      if (!this.busy && this.stream && this.video.videoWidth) {
        this.busy = true;
        this.seen(await decode(await createImageBitmap(this.video)).catch(() => null));
        this.busy = false;
      }
      this.watch();
    });
  }

  /** The same code counts once until it has left the picture. */
  seen(text) {
    const now = Date.now();
    if (!text) return;
    const still = text === this.last.text && now - this.last.ms < GONE_MS;
    this.last = { text, ms: now };
    if (still) return;
    this.touched();
    this.read(text);
  }

  async photo(file) {
    return decode(await createImageBitmap(file), true);
  }

  get track() {
    return this.stream?.getVideoTracks()[0] ?? null;
  }

  get hasTorch() {
    return Boolean(this.track?.getCapabilities?.().torch);
  }

  async torch(on) {
    await this.track?.applyConstraints({ advanced: [{ torch: on }] }).catch(() => null);
  }
}
