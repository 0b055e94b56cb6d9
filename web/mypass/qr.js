// A QR code of version 5-M in alphanumeric mode: the one kind that a pass needs, filled exactly by its 120 characters.

const SIZE = 37;
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const BLOCKS = 2;
const DATA = 43; // code words of a block
const CHECK = 24;
const CENTRES = [6, 30];
const FORMAT_M = 0b00;
// Which of the eight masks is free to choose. The text ends in a signature, whose bits are as good as random, so none
// makes a more even picture than another.
const MASK = 0;
const dark = (x, y) => (x + y) % 2 === 0;

/** Rows of booleans, dark is true, without the quiet zone. */
export function modules(text) {
  const cells = Array.from({ length: SIZE }, () => new Array(SIZE).fill(null));
  patterns(cells);
  format(cells);
  fill(cells, words(text));
  return cells;
}

/** Draw a text with a quiet zone of four modules, black on white. */
export function draw(canvas, text) {
  const rows = modules(text);
  const module = Math.max(4, Math.floor((canvas.clientWidth * (globalThis.devicePixelRatio || 1)) / (SIZE + 8)));
  canvas.width = canvas.height = module * (SIZE + 8);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  rows.forEach((row, y) => row.forEach((cell, x) => cell && context.fillRect((x + 4) * module, (y + 4) * module, module, module)));
}

function words(text) {
  const bits = [];
  const put = (value, count) => { for (let place = count - 1; place >= 0; place -= 1) bits.push((value >> place) & 1); };
  put(0b0010, 4);
  put(text.length, 9);
  const values = Array.from(text, (letter) => ALPHABET.indexOf(letter));
  if (values.includes(-1)) throw new RangeError("not a text of a pass");
  for (let at = 0; at + 1 < values.length; at += 2) put(values[at] * 45 + values[at + 1], 11);
  if (values.length % 2) put(values.at(-1), 6);
  if (bits.length > BLOCKS * DATA * 8) throw new RangeError("too long for version 5-M");
  put(0, Math.min(4, BLOCKS * DATA * 8 - bits.length));
  while (bits.length % 8) bits.push(0);
  const data = [];
  for (let at = 0; at < bits.length; at += 8) data.push(parseInt(bits.slice(at, at + 8).join(""), 2));
  for (let pad = 0xec; data.length < BLOCKS * DATA; pad ^= 0xec ^ 0x11) data.push(pad);
  const blocks = [data.slice(0, DATA), data.slice(DATA)];
  const checks = blocks.map(check);
  return [...interleaved(blocks, DATA), ...interleaved(checks, CHECK)];
}

const interleaved = (blocks, length) => Array.from({ length: length * BLOCKS }, (_, at) => blocks[at % BLOCKS][Math.floor(at / BLOCKS)]);

function times(left, right) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((right >> bit) & 1) * left;
  }
  return product;
}

/** The remainder by which a reader mends a block. */
function check(block) {
  let divisor = [1];
  let root = 1;
  for (let degree = 0; degree < CHECK; degree += 1) {
    divisor = [...divisor, 0].map((value, at) => value ^ (at ? times(divisor[at - 1], root) : 0));
    root = times(root, 2);
  }
  let rest = new Array(CHECK).fill(0);
  for (const byte of block) {
    const factor = byte ^ rest[0];
    rest = [...rest.slice(1), 0].map((value, at) => value ^ times(divisor[at + 1], factor));
  }
  return rest;
}

function patterns(cells) {
  for (const [left, top] of [[0, 0], [SIZE - 7, 0], [0, SIZE - 7]]) finder(cells, left, top);
  for (let at = 8; at < SIZE - 8; at += 1) cells[6][at] = cells[at][6] = at % 2 === 0;
  const [, centre] = CENTRES;
  for (let y = -2; y <= 2; y += 1) for (let x = -2; x <= 2; x += 1) cells[centre + y][centre + x] = Math.max(Math.abs(x), Math.abs(y)) !== 1;
  cells[SIZE - 8][8] = true;
}

function finder(cells, left, top) {
  for (let y = -1; y <= 7; y += 1) {
    for (let x = -1; x <= 7; x += 1) {
      const ring = Math.max(Math.abs(x - 3), Math.abs(y - 3));
      if (cells[top + y]?.[left + x] !== undefined) cells[top + y][left + x] = ring !== 2 && ring !== 4;
    }
  }
}

function format(cells) {
  const data = (FORMAT_M << 3) | MASK;
  let rest = data;
  for (let at = 0; at < 10; at += 1) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412;
  const bit = (at) => ((bits >> at) & 1) === 1;
  for (let at = 0; at < 8; at += 1) cells[8][SIZE - 1 - at] = bit(at);
  for (let at = 8; at < 15; at += 1) cells[SIZE - 15 + at][8] = bit(at);
  for (let at = 0; at < 6; at += 1) cells[at][8] = bit(at);
  cells[7][8] = bit(6);
  cells[8][8] = bit(7);
  cells[8][7] = bit(8);
  for (let at = 9; at < 15; at += 1) cells[8][14 - at] = bit(at);
}

function fill(cells, code) {
  let at = 0;
  for (let right = SIZE - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < SIZE; step += 1) {
      const y = ((right + 1) & 2) === 0 ? SIZE - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (cells[y][x] !== null) continue;
        const set = at < code.length * 8 && ((code[at >> 3] >> (7 - (at & 7))) & 1) === 1;
        cells[y][x] = set !== dark(x, y);
        at += 1;
      }
    }
  }
}
