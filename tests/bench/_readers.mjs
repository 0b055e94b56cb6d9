// Reads pictures as browsers do: `node _readers.mjs WIDTH HEIGHT < grey bytes`, one picture after the other.
// Prints {"zxing": [text or null, ...], "jsqr": [...], "zxing_ms": ..., "jsqr_ms": ...}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { prepareZXingModule, readBarcodes } from "../../web/vendor/zxing-wasm/es/reader/index.js";
import { firstCode } from "../../web/scanner/reading.js";

const jsQR = createRequire(import.meta.url)("jsqr");
const [width, height] = process.argv.slice(2).map(Number);
const wasmBinary = readFileSync(new URL("../../web/vendor/zxing-wasm/zxing_reader.wasm", import.meta.url));
await prepareZXingModule({ overrides: { wasmBinary }, fireImmediately: true });

const grey = readFileSync(0);
const found = { zxing: [], jsqr: [], zxing_ms: 0, jsqr_ms: 0 };
for (let at = 0; at < grey.length; at += width * height) {
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let pixel = 0; pixel < width * height; pixel += 1) data.fill(grey[at + pixel], pixel * 4, pixel * 4 + 3);
  let before = performance.now();
  found.zxing.push(await firstCode(readBarcodes, { data, width, height, colorSpace: "srgb" }));
  found.zxing_ms += performance.now() - before;
  before = performance.now();
  found.jsqr.push(jsQR(data, width, height)?.data || null);
  found.jsqr_ms += performance.now() - before;
}
console.log(JSON.stringify(found));
