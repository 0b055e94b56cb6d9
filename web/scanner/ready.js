// The screen between two people: camera, direction, line, people inside, last scan, tiles.

import { STALE_MS } from "./admission.js";
import { $, h, hold, icon } from "./dom.js";
import * as sheets from "./sheets.js";
import { isMuted, isSilent, setMuted, setSilent } from "./sound.js";
import { ago, clockOf, dress, language, named, setLanguage, t } from "./text.js";

export class Ready {
  constructor(parts) {
    Object.assign(this, parts);
    this.state = "starting";
    setInterval(() => this.draw(), 1_000);
  }

  connect(desk, camera) {
    Object.assign(this, { desk, cam: camera });
    desk.camera = camera;
    $("tile-courier").onclick = () => desk.courier();
    $("tile-guest").onclick = () => desk.duty.guest();
    $("count-one").onclick = () => desk.duty.countOne();
    hold($("end-emergency"), () => desk.duty.endEmergency());
    $("tile-hand").onclick = () => desk.byHand();
    $("tile-plus").onclick = () => ((desk.companions = (desk.companions + 1) % 10), this.draw());
    $("tile-more").onclick = () => this.more();
    $("net").onclick = () => this.lineFacts();
    $("inside").onclick = () => this.lineFacts();
    $("last").onclick = () => sheets.open(t("last_scans"), () => this.scans());
    $("asleep").onclick = () => camera.wake();
    $("direction").onclick = () => desk.setting.locked || this.chooseDirection();
    hold($("direction"), () => desk.setting.locked && this.chooseDirection());
    this.draw();
  }

  async chooseDirection() {
    const wanted = await sheets.direction(this.desk.setting.direction, this.desk.setting.locked);
    if (wanted) this.desk.setDirection(wanted);
  }

  camera(state) {
    this.state = state;
    this.draw();
  }

  draw() {
    if (!this.desk) return;
    const { desk } = this;
    $("gate-name").textContent = named(desk.gate?.names) || t("app");
    const way = desk.setting.direction;
    $("direction").setAttribute("aria-label", `${t(way)} · ${t("direction")}`);
    const lock = desk.setting.locked ? [icon("i-lock")] : [];
    put($("direction"), way + desk.setting.locked + language(), () => [icon(`i-${way}`), t(way), ...lock]);
    this.drawEmergency();
    this.drawLine();
    this.drawFinder();
    this.drawFacts();
    const more = desk.companions;
    $("tile-plus").classList.toggle("on", more > 0);
    $("tile-plus").querySelector("span").textContent = more > 1 ? t("companions", { n: more }) : t("companion");
    const shown = desk.entries.map((entry) => entry.at_ms + entry.title + entry.outcome + Boolean(entry.undone)).join();
    put($("aside"), shown + language(), () => [h("h2", {}, t("last_scans")), ...this.scans()]);
  }

  drawEmergency() {
    const { state, on } = this.emergency;
    $("emergency").hidden = !on;
    if (!on) return;
    const words = t("emergency_on", { n: state.begun_by, at: clockOf(state.begun_ms).slice(0, 5) });
    put($("emergency-say"), words + state.counted + language(), () => [h("strong", {}, t("emergency")), h("span", {}, words)]);
    put($("count-one"), `${state.counted}${language()}`, () => [icon("i-plus"), t("emergency_plus"), h("b", {}, String(state.counted))]);
    put($("end-emergency"), language(), () => [t("emergency_end")]);
  }

  drawLine() {
    const { link, queue } = this;
    const waiting = queue.size;
    const words = link.online ? (waiting > 5 ? t("online_queue", { n: waiting }) : t("online")) : waiting ? t("offline_queue", { n: waiting }) : t("offline");
    $("net").classList.toggle("off", !link.online);
    $("net").classList.toggle("warn", (link.online && this.stale()) || queue.refused > 0);
    put($("net"), words + language(), () => [h("i.dot"), words]);
  }

  stale() {
    return !this.list.head || this.desk.now() - this.list.issuedMs > STALE_MS;
  }

  drawFinder() {
    const asleep = $("asleep");
    const words = { asleep: ["sleeping", "sleeping_hint"], none: ["no_camera", isSecureContext ? "no_camera_hint" : "insecure"] }[this.state];
    asleep.hidden = !words;
    if (words) [asleep.children[0].textContent, asleep.children[1].textContent] = words.map((key) => t(key));
    const waiting = this.queue.size;
    const offline = waiting ? t("waiting", { n: waiting }) : t("waiting_none");
    const hint = this.queue.refused ? t("refused", { n: this.queue.refused }) : !this.list.head ? t("list_none") : this.stale() ? t("list_stale", { age: this.listAge().replace(/前$| ago$/, "") }) : this.link.online ? t("ready_hint") : offline;
    $("say").textContent = t("ready");
    $("say-hint").textContent = hint;
    document.querySelector(".say").classList.toggle("warn", this.stale() || this.queue.refused > 0);
  }

  listAge() {
    return ago(this.desk.now() - this.list.issuedMs);
  }

  drawFacts() {
    const { state } = this.inside;
    const count = state ? (state.zones[this.desk.gate?.inner] ?? 0) : "—";
    const age = state ? ago(this.inside.ageMs()) : "—";
    put($("inside"), `${count}${age}${language()}`, () => [h("small", {}, `${t("inside")} · ${age}`), h("strong", {}, String(count))]);
    const [last] = this.desk.entries;
    const sub = last ? `${t(last.direction)} · ${ago(this.desk.now() - last.at_ms)}` : t("last_scans");
    put($("last"), sub + last?.title + last?.outcome, () => [h("small", {}, sub), h("strong", {}, last?.title ?? t("last_none"))]);
  }

  scans() {
    return sheets.lastScans(this.desk.entries, (entry) => this.desk.undo(entry));
  }

  lineFacts() {
    const { list, link, queue } = this;
    const waiting = queue.size ? `${queue.size} · ${t("oldest", { age: ago(Date.now() - queue.oldestMs()) })}` : "0";
    const { state } = this.inside;
    const zones = Object.entries(state?.zones ?? {}).map(([zone, count]) => [named(list.site?.zones[zone]?.names) || zone, String(count)]);
    const pairs = [
      [t("line"), link.online ? t("online") : t("offline")], [t("queue_title"), waiting],
      [t("list"), list.head ? `${t("list_count", { n: list.count })} · ${this.listAge()}` : "—"], ...zones,
    ];
    const poison = link.poison ? [h("p.wrong", {}, t("poison", { n: link.poison }))] : [];
    return sheets.facts(t("state"), pairs, [...poison, ...this.tray(queue)]);
  }

  /** What the server cannot take lies here to be seen: when, what, and a button that tries again. */
  tray(queue) {
    const rows = queue.tray();
    if (!rows.length) return [];
    const line = ({ report }) => h("li", {}, h("span.mark.check"), h("div.what", {}, t(`kind_${report.kind}`), h("small", {}, clockOf(report.at - (report.skew_ms ?? 0)))));
    const again = h("button.plain", { onclick: () => (sheets.close(), queue.retry().then(() => this.link.wake())) }, t("retry"));
    return [h("p.wrong", { role: "status" }, t("refused", { n: rows.length })), h("ul.list", {}, ...rows.slice(0, 50).map(line)), again];
  }

  more() {
    const { desk, guard, cam } = this;
    return sheets.open(t("more"), (finish) => {
      const file = h("input", { type: "file", accept: "image/*", hidden: true });
      file.onchange = () => (finish(), file.files[0] && desk.photo(file.files[0]));
      const act = (words, run) => h("button.plain", { onclick: () => (finish(), run()) }, words);
      const duty = guard.onDuty
        ? act(`${t("guard_out")} · ${guard.verified ? guard.name : t("guard_offline", { n: guard.operator })}`, () => guard.close())
        : act(t("guard_in"), () => desk.goOnDuty());
      const torch = cam.hasTorch ? act(t("torch"), () => cam.torch((this.torch = !this.torch))) : null;
      return [
        duty, act(t("ask"), () => desk.asking.begin()), h("button.plain", { onclick: () => file.click() }, t("photo")), file, torch,
        act(t("call"), () => desk.duty.call()),
        act(t("paper_title"), () => desk.duty.paper()),
        h("div.row", {}, act(`${t("sound")}${isMuted() ? "" : " ✓"}`, () => setMuted(!isMuted())), act(`${t("voice")}${isSilent() ? "" : " ✓"}`, () => setSilent(!isSilent()))),
        h("div.row", {}, act(t("theme"), () => this.theme()), act(t("language"), () => this.speak())),
        this.emergency.on ? null : act(t("emergency_more"), () => desk.duty.beginEmergency()),
        act(t("roll_title"), () => desk.duty.rollCall()),
        h("a.plain", { href: "/" }, t("office")),
        hold(h("button.plain.danger", {}, t("forget")), () => desk.forget()),
        h("p.hint", {}, `${t("device")} ${desk.device.device}`),
      ].filter(Boolean);
    });
  }

  theme() {
    const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    document.documentElement.dataset.theme = dark === "dark" ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
  }

  speak() {
    setLanguage(language() === "zh" ? "en" : "zh");
    dress(document);
    this.draw();
  }
}

/** Replace an element's content only when it says something else: a screen reader is told of changes, not of seconds. */
function put(element, key, make) {
  if (element.dataset.key === key) return;
  element.dataset.key = key;
  element.replaceChildren(...make());
}
