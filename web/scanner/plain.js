// A pass from a photo where the address is not https: the browser gives no camera and no keys here, so the server looks at
// the pass for whoever is signed in. Nothing is kept on the phone and nobody is recorded: that is said beside the answer.

import { decode } from "./decoding.js";
import { h, icon } from "./dom.js";
import { send } from "./setup.js";
import { language, named, t } from "./text.js";

/** Fill a box with the choice of gate and a photo; with a way to sign in when nobody is. */
export async function byPhoto(box) {
  const session = await fetch("/gate/session", { headers: { Accept: "application/json" } }).then((answer) => answer.json());
  const gates = session.communities.flatMap(({ community, gates: own }) => own.map((gate) => ({ community, gate: gate.gate, words: named(gate.names) })));
  if (!gates.length) return box.replaceChildren(h("a.plain", { href: "/login?next=/gate" }, t("setup_sign_in")));
  const gate = h("select", { ariaLabel: t("setup_gate") }, ...gates.map((each, place) => h("option", { value: place }, each.words)));
  const way = h("select", { ariaLabel: t("direction") }, ...["in", "out"].map((each) => h("option", { value: each }, t(each))));
  const file = h("input", { type: "file", accept: "image/*", hidden: true });
  const answer = h("div", { role: "alert" });
  file.onchange = async () => {
    const { community, gate: name } = gates[gate.value];
    const shown = await look({ community, gate: name, direction: way.value }, file.files[0], session.csrf);
    answer.replaceChildren(...shown);
    file.value = "";
  };
  box.replaceChildren(h("div.box", {},
    h("h3", {}, t("photo")), h("label.field", {}, t("setup_gate"), gate), h("label.field", {}, t("direction"), way),
    h("button.go", { onclick: () => file.click() }, t("photo")), file, answer));
}

async function look(place, file, csrf) {
  if (!file) return [];
  const code = await createImageBitmap(file).then((bitmap) => decode(bitmap, true)).catch(() => null);
  if (!code?.startsWith("CF1:")) return [h("p.wrong", {}, t("photo_none"))];
  try {
    const found = await send("/gate/look", { ...place, code }, csrf);
    const words = h("div.word", {}, icon(`r-${found.decision}`), h("h2", {}, t(found.decision)), h("p", {}, found[language()]));
    const said = h("div.said", {}, words, found.name ? h("p", {}, found.name) : null);
    said.dataset.decision = found.decision;
    return [said, h("p.hint", {}, t("plain_unrecorded"))];
  } catch (error) {
    return [h("p.wrong", {}, t("failed", { why: error.message || t("network") }))];
  }
}
