// A Worker that finds a QR code in a picture. Nothing of the picture leaves it. Served below each app's own address, for
// without network a service worker answers for a Worker only there; so what it needs is named from the root.
// Two readers: zxing-wasm for good, and jsQR, a tenth of its size, for the seconds of a first visit until that is here.

import { firstCode } from "/scanner/reading.js";

// Of the frames in which nothing was found each third is looked at again: an empty view lasts all day.
const HARDER_EVERY = 3;
// Installed, zxing is here before this is over, and the other is never asked for.
const PATIENCE_MS = 100;
const AGAIN_MS = 5_000;

let read = null;
let good = false;
let canvas = null;
let fruitless = 0;
let begin;
const prepared = new Promise((resolve) => (begin = resolve));
setTimeout(() => good || makeshift().catch(() => null), PATIENCE_MS);

self.onmessage = async ({ data: { module, id, bitmap, still } }) => {
  if (!bitmap) return prepare(module);
  let text = null;
  const started = performance.now();
  try {
    if (still) await prepared;
    if (read) text = await firstCode(read, pixels(bitmap), still || (good && (fruitless + 1) % HARDER_EVERY === 0));
    fruitless = text ? 0 : fruitless + 1;
  } finally {
    bitmap.close();
    self.postMessage({ id, text, looked: Boolean(read), ms: performance.now() - started });
  }
};

/** Asked for again when the line broke; until then the other reads. */
async function prepare(module) {
  try {
    await load(module);
    begin();
    self.postMessage({ reads: "zxing" });
  } catch {
    setTimeout(() => prepare(null), AGAIN_MS);
  }
}

/** With what the page compiled while it came; without, by a fetch of its own. */
async function load(module) {
  const { prepareZXingModule, readBarcodes } = await import("/vendor/zxing-wasm/es/reader/index.js");
  const instantiateWasm = (imports, received) => void WebAssembly.instantiate(module, imports).then((made) => received(made, module));
  // Said in any case: zxing-wasm would fetch its decoder from where its makers keep one.
  const locateFile = (name) => new URL(`/vendor/zxing-wasm/${name}`, self.location).href;
  await prepareZXingModule({ overrides: module ? { locateFile, instantiateWasm } : { locateFile }, fireImmediately: true });
  [read, good] = [readBarcodes, true];
}

async function makeshift() {
  await import("/vendor/jsqr/jsQR.js");
  if (good) return;
  read = ({ data, width, height }) => [self.jsQR(data, width, height, { inversionAttempts: "dontInvert" })].filter(Boolean).map(({ data: text }) => ({ text }));
  self.postMessage({ reads: "jsqr" });
}

function pixels(bitmap) {
  if (canvas?.width !== bitmap.width || canvas?.height !== bitmap.height) canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}
