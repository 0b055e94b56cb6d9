// What is kept about whose pass is shown: the record, who looked, on whose phones it is, and requests to the office.

import { h } from "../scanner/dom.js";
import { requestAction } from "./key.js";
import { day, language, moment, t } from "./text.js";

const KINDS = ["correction", "deletion", "objection", "copy"];

/** The sections; `ask(path, action, more)` asks about this pass, `again()` looks anew, `attempt` says what failed. */
export function about({ about: kept, looks, keepers, requests }, { ask, again, attempt }) {
  const { record } = kept;
  const lines = record ? [record.name, record.unit, record.phone, record.note].filter(Boolean).map((text) => h("li", {}, text)) : [];
  const place = (visit) => kept.zones[visit.zone]?.[language()] ?? visit.zone;
  const visits = kept.visits.map((visit) => h("li", {}, `${place(visit)} · ${moment(visit.entered_ms)} – ${moment(visit.left_ms)}`));
  const seen = looks.map((row) => h("li", {}, `${moment(row.at_ms)} · ${row.by ?? t("system")} · ${row.what}${row.purpose ? ` · ${row.purpose}` : ""}`));
  const save = h("button.plain", { id: "export" }, t("export"));
  save.onclick = () => download({ about: kept, looks, keepers, requests });
  return [
    h("h2", {}, t("record")), h("ul", {}, ...lines),
    h("h2", {}, t("requests")), ...asking(requests, { ask, again, attempt }),
    ...onPhones(keepers),
    h("h2", {}, t("looks")), list(seen, "no_looks", "looks"),
    h("h2", {}, t("stays")), list(visits, "no_stays"), save,
  ];
}

function list(items, none, id = null) {
  return items.length ? h("ul", { id }, ...items) : h("p.muted", {}, t(none));
}

/** Whose phones show this pass, and until when. */
function onPhones(keepers) {
  const line = ({ name, relation, sees, until_ms: until }) => h("li", {}, `${name} · ${t(relation)} · ${t("until", { day: day(until - 1) })}`, sees ? h("small", {}, t("keeper_sees")) : null);
  const now = keepers.filter((each) => each.holds);
  return now.length ? [h("h2", {}, t("keepers")), h("ul", { id: "keepers" }, ...now.map(line))] : [];
}

function asking(requests, { ask, again, attempt }) {
  const kind = h("select", { id: "request-kind", ariaLabel: t("request_kind") }, ...KINDS.map((each) => h("option", { value: each }, t(each))));
  const text = h("textarea", { id: "request-text", maxLength: 500, rows: 3, ariaLabel: t("request_text"), placeholder: t("request_text") });
  const [wrong, go] = [h("p.wrong", { role: "alert" }), h("button.plain", { id: "request" }, t("request_go"))];
  go.onclick = () =>
    attempt(go, wrong, async () => {
      const words = text.value.trim();
      await ask("/v1/me/request", await requestAction(kind.value, words), { kind: kind.value, text: words });
      await again();
    });
  const sent = requests.map(state);
  return [sent.length ? h("ul", { id: "requests" }, ...sent) : h("p.muted", {}, t("requests_hint")), kind, text, go, wrong];
}

function state({ kind, text, sent_ms: sentMs, state: now, answer }) {
  const words = [text, answer ? t("request_answer", { text: answer }) : null].filter(Boolean).map((each) => h("small", {}, each));
  return h("li", {}, h("b", {}, t(kind)), ` · ${moment(sentMs)} · `, h(`span.state.${now}`, {}, t(`request_${now}`)), ...words);
}

function download(everything) {
  const file = new Blob([JSON.stringify(everything, null, 2)], { type: "application/json" });
  const link = h("a", { href: URL.createObjectURL(file), download: "my-data.json" });
  link.click();
  URL.revokeObjectURL(link.href);
}
