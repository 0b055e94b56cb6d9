// The gate app, put together: what is read becomes a decision, a report and a screen.

import { Camera } from "./camera.js";
import { reads } from "./decoding.js";
import { decideCode, decideRecord } from "./decide.js";
import { $ } from "./dom.js";
import { Desk } from "./desk.js";
import { Emergency } from "./emergency.js";
import { Guard } from "./guard.js";
import { Inside } from "./inside.js";
import { Link } from "./link.js";
import { List } from "./list.js";
import { keepOffline } from "./offline.js";
import { Queue } from "./queue.js";
import { Ready } from "./ready.js";
import { seal } from "./seal.js";
import { Store } from "./store.js";
import { dress, t } from "./text.js";
import { Wedge } from "./wedge.js";

// Once in a phone's life, so not among what each start fetches.
const setup = () => import("./setup.js");

const TICKS_MS = 2_000;

const theme = localStorage.getItem("theme");
if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
// What it keeps is what has just been fetched, so it comes last: a first visit is over a weak network.
Promise.race([reads, new Promise((resolve) => setTimeout(resolve, 20_000))]).then(() => keepOffline("/gate/sw.js", "/gate"));

async function main() {
  dress(document);
  if (!globalThis.crypto?.subtle) return (await setup()).needsHttps();
  const store = await Store.open();
  const device = (await store.secret("device")) ?? (await bind(store));
  const [queue, list] = [await Queue.open(store), await List.open(store)];
  await list.measure();
  const inside = new Inside(Date.now);
  const skewMs = (await store.secret("skew")) ?? 0;
  const link = new Link({ store, device, queue, list, inside, skewMs, told: (event) => told(event) });
  const emergency = await Emergency.open(store, link);
  link.emergency = emergency;
  const guard = new Guard(link, () => (queue.closeOpen(), ready.draw()));
  const ready = new Ready({ link, list, inside, queue, guard, emergency });
  const desk = new Desk({ store, device, queue, list, inside, link, guard, ready, emergency, decideCode, decideRecord, seal });
  const camera = new Camera($("video"), (text) => desk.read({ pass: text }), (state) => ready.camera(state));
  emergency.gate = () => desk.gateId;
  ready.connect(desk, camera);
  new Wedge(window, (read) => (camera.wake(), desk.read(read)));
  ["pointerdown", "keydown"].forEach((name) => addEventListener(name, () => (camera.touched(), guard.touched())));
  async function told(event) {
    if (event === "revoked") {
      link.stop();
      await store.wipe();
      ["gate-operator", "gate-camera"].forEach((name) => localStorage.removeItem(name));
      sessionStorage.setItem("gate-notice", "wiped");
      location.reload();
    }
    ready.draw();
  }
  link.start();
  link.every(TICKS_MS, () => desk.duty.shareTicks());
  document.body.dataset.view = "ready";
  performance.mark("gate-ready");
  await camera.wake();
  window.gate = { desk, queue, list, link, camera, store }; // for the console of whoever looks into a phone
}

async function bind(store) {
  const notice = sessionStorage.getItem("gate-notice");
  sessionStorage.removeItem("gate-notice");
  const device = await (await setup()).setUp(notice ? t(notice) : "");
  await store.keepSecret("device", device);
  return device;
}

main();
