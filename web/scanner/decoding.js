// What takes longest, begun before the app is here: the decoder, whose WebAssembly is most of what a first visit fetches
// and is compiled while it comes, and the camera, where this phone has used it before.

const WANTED = { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } };
const USED = "gate-camera";

const openCamera = () => navigator.mediaDevices.getUserMedia({ video: WANTED, audio: false });
let opening = globalThis.localStorage?.getItem(USED) && !document.hidden ? openCamera() : null;
opening?.catch(() => null);

/** The camera's stream; the first time the one that is on its way since the page began. */
export async function stream() {
  const first = opening;
  opening = null;
  const found = await (first ?? openCamera());
  localStorage.setItem(USED, "1");
  return found;
}

const WASM = new URL("../vendor/zxing-wasm/zxing_reader.wasm", import.meta.url);

let begun;
/** Resolves when pictures are read by the decoder that stays. */
export const reads = new Promise((resolve) => (begun = resolve));

const waiting = new Map();
let next = 0;

// Below the page's own address (/gate, /me/pass), so that its service worker answers for it.
const worker = new Worker(`${location.pathname}/decoder.js`, { type: "module" });
worker.onmessage = ({ data: { id, text, looked, reads: reader } }) => {
  if (reader) return reader === "zxing" && (performance.mark("gate-reads-well"), begun());
  if (looked) mark("gate-scans");
  waiting.get(id)?.(text);
  waiting.delete(id);
};
worker.onerror = () => waiting.forEach((resolve) => resolve(null));
compiled().then((module) => worker.postMessage({ module }));

/** The first frame that a reader has looked at: from now on a pass before the camera is read. */
function mark(name) {
  if (!performance.getEntriesByName(name).length) performance.mark(name);
}

/** The text of a frame or, looked at more thoroughly, of a photo that was taken once. */
export function decode(bitmap, still = false) {
  const id = next++;
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    worker.postMessage({ id, bitmap, still }, [bitmap]);
  });
}

/** The decoder, or null when it cannot be had this way: the worker then fetches it for itself. */
async function compiled() {
  try {
    return await WebAssembly.compileStreaming(fetch(WASM, { priority: "low" }));
  } catch {
    return null;
  }
}
