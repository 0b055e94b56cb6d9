// One short sound and one vibration per result. Never the only signal; can be muted.

const TONES = { allow: [[880, 0, 0.09], [1318, 0.1, 0.14]], check: [[587, 0, 0.14], [587, 0.2, 0.14]], stop: [[196, 0, 0.5]] };
const SHAKES = { allow: [60], check: [120, 80, 120], stop: [500] };

let context = null;
let muted = localStorage.getItem("gate-muted") === "1";

export const isMuted = () => muted;

export function setMuted(value) {
  muted = value;
  localStorage.setItem("gate-muted", value ? "1" : "0");
}

export function signal(result) {
  navigator.vibrate?.(SHAKES[result]);
  if (muted) return;
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume().catch(() => null);
  for (const [pitch, after, length] of TONES[result]) tone(pitch, context.currentTime + after, length, result === "stop");
}

function tone(pitch, start, length, harsh) {
  const [source, volume] = [context.createOscillator(), context.createGain()];
  source.type = harsh ? "sawtooth" : "sine";
  source.frequency.value = pitch;
  volume.gain.setValueAtTime(0.0001, start);
  volume.gain.exponentialRampToValueAtTime(0.3, start + 0.015);
  volume.gain.exponentialRampToValueAtTime(0.0001, start + length);
  source.connect(volume).connect(context.destination);
  source.start(start);
  source.stop(start + length);
}
