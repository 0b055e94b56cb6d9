// Finds the code in a picture. Apart from the Worker, so that tests read the same pictures by the same rule.
// What is done to a picture that does not read is what sensors/qr.py does on the edge.

import { decode } from "./cf1.js";

const OPTIONS = { formats: ["QRCode"], tryHarder: true, tryRotate: true, tryInvert: true, maxNumberOfSymbols: 1 };
const CLEAR_GAIN = 4;
const CLEAR_REACH_PX = 2; // of the picture as it is: three of a doubled one

/**
 * The text of the code in `image` (an ImageData), or null; `read` is zxing-wasm's readBarcodes. With `harder` a picture
 * in which no pass was found is cleared and read again. A blurred picture now and then reads as a few letters that
 * nobody printed, so only what can be a pass ends the search.
 */
export async function firstCode(read, image, harder = true) {
  const first = await look(read, image);
  if (isPass(first) || !harder) return first;
  const again = await look(read, cleared(image));
  return isPass(again) ? again : first;
}

const isPass = (text) => text !== null && !decode(text).fault;

async function look(read, image) {
  const [found] = await read(image, OPTIONS);
  return found && found.isValid !== false ? found.text : null;
}

/** Grey, from its darkest to its lightest hundredth, with the edges that blur took away drawn back in. */
export function cleared({ data, width, height }) {
  const grey = new Uint8ClampedArray(width * height);
  for (let at = 0; at < grey.length; at += 1) grey[at] = (data[4 * at] * 77 + data[4 * at + 1] * 151 + data[4 * at + 2] * 28) >> 8;
  const [low, high] = ends(grey);
  const gain = 255 / Math.max(high - low, 1);
  const smooth = averaged(averaged(grey, width, height, 1, width), height, width, width, 1);
  const out = new Uint8ClampedArray(data.length).fill(255);
  for (let at = 0; at < grey.length; at += 1) {
    const value = (grey[at] + CLEAR_GAIN * (grey[at] - smooth[at]) - low) * gain;
    out[4 * at] = out[4 * at + 1] = out[4 * at + 2] = value;
  }
  return { data: out, width, height, colorSpace: "srgb" };
}

/** The darkest and the lightest hundredth. */
function ends(grey) {
  const counts = new Uint32Array(256);
  for (let at = 0; at < grey.length; at += 16) counts[grey[at]] += 1;
  const few = grey.length / 1600;
  const reach = (from, step) => {
    for (let level = from, sum = 0; ; level += step) if ((sum += counts[level]) > few || level + step < 0 || level + step > 255) return level;
  };
  return [reach(0, 1), reach(255, -1)];
}

/** Each pixel the mean of its neighbours along lines of `count` pixels `step` apart; lines are `next` apart. */
function averaged(pixels, count, lines, step, next) {
  const out = new Uint8ClampedArray(pixels.length);
  const span = 2 * CLEAR_REACH_PX + 1;
  for (let line = 0; line < lines; line += 1) {
    const pixel = (place) => pixels[line * next + Math.min(Math.max(place, 0), count - 1) * step];
    let sum = 0;
    for (let place = -CLEAR_REACH_PX; place <= CLEAR_REACH_PX; place += 1) sum += pixel(place);
    for (let place = 0; place < count; place += 1) {
      out[line * next + place * step] = sum / span;
      sum += pixel(place + CLEAR_REACH_PX + 1) - pixel(place - CLEAR_REACH_PX);
    }
  }
  return out;
}
