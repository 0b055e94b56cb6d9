// A text as a QR code on a canvas: black on white, with the quiet zone that readers want.

import { correction, generate } from "../vendor/lean-qr/index.js";

const QUIET = 4;
const LEVEL = { minCorrectionLevel: correction.M, maxCorrectionLevel: correction.M };

export function draw(canvas, text) {
  const code = generate(text, LEVEL);
  const side = code.size + 2 * QUIET;
  const module = Math.max(4, Math.floor((canvas.clientWidth * (globalThis.devicePixelRatio || 1)) / side));
  canvas.width = canvas.height = module * side;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) if (code.get(x, y)) context.fillRect((x + QUIET) * module, (y + QUIET) * module, module, module);
  }
}
