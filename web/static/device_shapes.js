// The lines and zones of a camera in a device's configuration: read from it, and put back into it.

const round = (value) => Math.round(value * 10000) / 10000;

/** The cameras of a configuration, in its order: the number of one is what a picture is asked for with. */
export function camerasOf(document) {
  const sensors = Array.isArray(document?.sensor) ? document.sensor : [];
  return sensors.filter((each) => each?.kind === "camera");
}

/** Every line, then every zone. What cannot be drawn has no points; it stays in the text as it is. */
export function shapesOf(camera, gate) {
  const lines = typeof camera.line === "string" ? [{ at: camera.line, gate: camera.gate, flip: camera.flip }] : camera.line;
  return [["line", lines], ["zone", camera.zone]].flatMap(([kind, entries]) =>
    (Array.isArray(entries) ? entries : []).map((entry) => {
      const points = pointsOf(entry, kind === "line" ? 2 : 3);
      return { kind, points, entry, gate: entry?.gate ?? camera.gate ?? gate, flip: Boolean(entry?.flip) };
    }));
}

function pointsOf(entry, least) {
  const numbers = typeof entry?.at === "string" ? entry.at.split(",").map(Number) : [];
  const whole = numbers.length % 2 === 0 && numbers.length >= 2 * least && numbers.every(Number.isFinite);
  return whole ? Array.from({ length: numbers.length / 2 }, (_, at) => [numbers[2 * at], numbers[2 * at + 1]]) : null;
}

/** Put ``shapes`` into ``camera`` in the place of what it had. */
export function putShapes(camera, shapes) {
  for (const name of ["line", "zone", "gate", "flip"]) delete camera[name];
  for (const kind of ["line", "zone"]) {
    const entries = shapes.filter((each) => each.kind === kind).map(entryOf);
    if (entries.length) camera[kind] = entries;
  }
}

function entryOf(shape) {
  if (!shape.points) return shape.entry;
  const entry = { ...shape.entry, gate: shape.gate, at: shape.points.flat().map(round).join(",") };
  delete entry.flip;
  return shape.flip ? { ...entry, flip: true } : entry;
}

/** Where a new one begins: beside those that are there, so that none hides another. */
export function begun(kind, gate, there) {
  const by = 0.06 * (there % 6);
  const points = kind === "line"
    ? [[0.5 + by, 0.1], [0.5 + by, 0.9]]
    : [[0.3 + by, 0.3], [0.6 + by, 0.3], [0.6 + by, 0.7], [0.3 + by, 0.7]];
  return { kind, points, entry: {}, gate, flip: false };
}

export function inside([x, y], points) {
  let odd = false;
  points.forEach(([ax, ay], index) => {
    const [bx, by] = points[(index + points.length - 1) % points.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  });
  return odd;
}

/** Number of the side of ``points`` that is nearest to ``point``. */
export function nearestSide([x, y], points) {
  const far = points.map(([ax, ay], index) => {
    const [bx, by] = points[(index + 1) % points.length];
    const along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2 || 1);
    const there = Math.min(1, Math.max(0, along));
    return Math.hypot(x - ax - there * (bx - ax), y - ay - there * (by - ay));
  });
  return far.indexOf(Math.min(...far));
}
