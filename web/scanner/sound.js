// One short sound and one vibration per result. Never the only signal; can be muted.

const TONES = { allow: [[880, 0, 0.09], [1318, 0.1, 0.14]], check: [[587, 0, 0.14], [587, 0.2, 0.14]], stop: [[196, 0, 0.5]] };
// Spoken by a voice that the phone has itself; the sounds are there without it.
const SAYS = { allow: ["放行", "Pass"], check: ["请稍等", "Please wait"], stop: ["请止步", "Please stop"] };
const SHAKES = { allow: [60], check: [120, 80, 120], stop: [500] };

let context = null;
let muted = localStorage.getItem("gate-muted") === "1";

export const isMuted = () => muted;

export function setMuted(value) {
  muted = value;
  localStorage.setItem("gate-muted", value ? "1" : "0");
}

let silent = localStorage.getItem("gate-silent") === "1";

export const isSilent = () => silent;

export function setSilent(value) {
  silent = value;
  localStorage.setItem("gate-silent", value ? "1" : "0");
}

/** Only a voice that is on the phone: what happens at a gate is not sent anywhere to be spoken. */
function speak(result, language) {
  const engine = globalThis.speechSynthesis;
  const voice = engine?.getVoices().find((each) => each.localService && each.lang.toLowerCase().startsWith(language));
  if (!voice) return;
  engine.cancel();
  const words = new SpeechSynthesisUtterance(SAYS[result][language === "zh" ? 0 : 1]);
  Object.assign(words, { voice, lang: voice.lang, rate: 1.2 });
  engine.speak(words);
}

export function signal(result, language) {
  navigator.vibrate?.(SHAKES[result]);
  if (muted) return;
  if (!silent) speak(result, language);
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
