// A Worker that finds a QR code in a picture. Nothing of the picture leaves it.

import { prepareZXingModule, readBarcodes } from "../vendor/zxing-wasm/es/reader/index.js";

prepareZXingModule({
  overrides: { locateFile: (name) => new URL(`../vendor/zxing-wasm/${name}`, self.location).href },
  fireImmediately: true,
});

const OPTIONS = { formats: ["QRCode"], tryHarder: true, tryRotate: true, tryInvert: true, maxNumberOfSymbols: 1 };
let canvas = null;

self.onmessage = async ({ data: { id, bitmap } }) => {
  let text = null;
  const started = performance.now();
  try {
    const [found] = await readBarcodes(pixels(bitmap), OPTIONS);
    text = found?.isValid === false ? null : (found?.text ?? null);
  } finally {
    bitmap.close();
    self.postMessage({ id, text, ms: performance.now() - started });
  }
};

function pixels(bitmap) {
  if (canvas?.width !== bitmap.width || canvas?.height !== bitmap.height) canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}
