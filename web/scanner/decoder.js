// A Worker that finds a QR code in a picture. Nothing of the picture leaves it.

import { prepareZXingModule, readBarcodes } from "../vendor/zxing-wasm/es/reader/index.js";
import { firstCode } from "./reading.js";

const prepared = prepareZXingModule({
  overrides: { locateFile: (name) => new URL(`../vendor/zxing-wasm/${name}`, self.location).href },
  fireImmediately: true,
});
prepared?.then(() => self.postMessage({ ready: true }));

// Of the frames in which nothing was found each third is looked at again: an empty view lasts all day.
const HARDER_EVERY = 3;
let canvas = null;
let fruitless = 0;

self.onmessage = async ({ data: { id, bitmap, still } }) => {
  let text = null;
  const started = performance.now();
  try {
    text = await firstCode(readBarcodes, pixels(bitmap), still || (fruitless + 1) % HARDER_EVERY === 0);
    fruitless = text ? 0 : fruitless + 1;
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
