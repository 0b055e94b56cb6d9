"""What an anomaly is called, why it is here and what is likely behind it, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import lazy_gettext

from community_flow.domain.anomalies import Anomaly
from community_flow.entrypoints.languages import clock, gettext, ngettext

GateName = Callable[[str], str]

TITLES = {
    "hold_broken": lazy_gettext("Out during isolation"),
    "impossible_travel": lazy_gettext("One pass, two gates, too soon"),
    "pass_shared": lazy_gettext("One pass entered at two gates"),
    "visitor_overstay": lazy_gettext("Visitor stayed on"),
    "ledger_surplus": lazy_gettext("More people than passes"),
    "relayed_code": lazy_gettext("A code was passed on"),
    "silent_resident": lazy_gettext("Living alone, not seen"),
    "unusual_hour": lazy_gettext("Unusual hour for this person"),
    "unusual_frequency": lazy_gettext("Unusually many passages"),
    "unusual_behaviour": lazy_gettext("Unusual day for this person"),
}

LIKELY = {
    "hold_broken": lazy_gettext("An errand, or an exception that the office did not enter. Ask at the desk first."),
    "impossible_travel": lazy_gettext("A copied card, or a gate whose clock is wrong."),
    "pass_shared": lazy_gettext("A lent pass, or an exit nobody scanned."),
    "visitor_overstay": lazy_gettext("Left without a scan, or a longer visit that the host can confirm."),
    "ledger_surplus": lazy_gettext("A group that walked in together, or a camera that miscounts."),
    "relayed_code": lazy_gettext("A picture of the code was sent to somebody."),
    "silent_resident": lazy_gettext("Travelling, ill, or leaving by a gate without a scan. A call settles it."),
    "unusual_hour": lazy_gettext("A one-off; look only if it comes again."),
    "unusual_frequency": lazy_gettext("Moving house, deliveries, or a pass that others use."),
    "unusual_behaviour": lazy_gettext("A change of habits; look only if it comes again."),
}

EVIDENCE = {
    "passback": lazy_gettext("Entered again without leaving"),
    "unseen_entry": lazy_gettext("Came from where no entry was seen"),
    "impossible_travel": lazy_gettext("Two gates sooner than one can walk"),
    "quota": lazy_gettext("Household over its daily outings"),
    "relayed_code": lazy_gettext("One code at two gates"),
    "tailgating": lazy_gettext("A body more than passes"),
}

SEVERITY = {"high": lazy_gettext("high"), "medium": lazy_gettext("medium"), "low": lazy_gettext("low")}
TONES = {"high": "red", "medium": "orange", "low": ""}

VERDICTS = {
    "confirmed": lazy_gettext("confirmed"),
    "false_alarm": lazy_gettext("false alarm"),
    "known": lazy_gettext("known"),
}


def why(found: Anomaly, gate_name: GateName) -> str:
    """One sentence with the numbers."""
    return " ".join(_WHY[reason.code](reason.values, gate_name) for reason in found.reasons)


def evidence_text(kind: str, detail: Mapping[str, Any], gate_name: GateName) -> str:
    """The contradiction's own numbers, without a person."""
    if kind == "tailgating":
        return ngettext("%(num)d body without a pass", "%(num)d bodies without a pass", detail.get("n", 1))
    if kind == "impossible_travel":
        took_s, walk_s = detail["took_ms"] // 1000, detail["walk_s"]
        gates = _gates(detail["gates"], gate_name)
        return gettext("%(gates)s in %(took)s s; walking takes %(walk)s s", gates=gates, took=took_s, walk=walk_s)
    if kind == "passback":
        return gettext("Inside since %(time)s", time=clock(detail["entered_ms"]))
    if kind == "quota":
        return gettext("%(n)s outings, %(quota)s allowed", n=detail["outings"], quota=detail["quota"])
    return ", ".join(gate_name(each) for each in detail.get("gates", ()))


def _gates(gates: list[str], gate_name: GateName) -> str:
    return " · ".join(gate_name(each) for each in gates)


def _hold(values: Mapping[str, Any], name: GateName) -> str:
    gates = _gates(values["gates"], name)
    return ngettext(
        "Passed %(gates)s while an isolation hold was in force (%(num)d passage).",
        "Passed %(gates)s while an isolation hold was in force (%(num)d passages).",
        values["passages"], gates=gates,
    )  # fmt: skip


def _travel(values: Mapping[str, Any], name: GateName) -> str:
    gates = _gates(values["gates"], name)
    return ngettext(
        "%(gates)s, up to %(early)s s sooner than one can walk, %(num)d time in a week.",
        "%(gates)s, up to %(early)s s sooner than one can walk, %(num)d times in a week.",
        values["times"], gates=gates, early=values["early_s"],
    )  # fmt: skip


def _shared(values: Mapping[str, Any], name: GateName) -> str:
    gates = _gates(values["gates"], name)
    return ngettext(
        "%(gates)s within ten minutes and no exit between, %(num)d time in a week.",
        "%(gates)s within ten minutes and no exit between, %(num)d times in a week.",
        values["times"], gates=gates,
    )  # fmt: skip


def _overstay(values: Mapping[str, Any], name: GateName) -> str:
    hours = round(values["minutes"] / 60, 1)
    if values["still"]:
        return gettext("The pass ended %(hours)s hours ago and no exit was seen.", hours=hours)
    return gettext("Left %(hours)s hours after the pass ended.", hours=hours)


def _surplus(values: Mapping[str, Any], name: GateName) -> str:
    return gettext(
        "%(bodies)s bodies without a pass in one hour; %(expected)s are usual here.",
        bodies=values["bodies"], expected=values["expected"],
    )  # fmt: skip


def _relayed(values: Mapping[str, Any], name: GateName) -> str:
    return gettext("The same moving code was shown at %(gates)s.", gates=_gates(values["gates"], name))


def _silent(values: Mapping[str, Any], name: GateName) -> str:
    return gettext("No passage for %(days)s days; that is rare for this person.", days=values["days"])


def _hour(values: Mapping[str, Any], name: GateName) -> str:
    return gettext(
        "Between %(first)s and %(last)s, when this person hardly ever passes.",
        first=clock(values["first_ms"]), last=clock(values["last_ms"]),
    )  # fmt: skip


def _frequency(values: Mapping[str, Any], name: GateName) -> str:
    return gettext("%(n)s passages in one day, far more than usual for this person.", n=values["passages"])


def _behaviour(values: Mapping[str, Any], name: GateName) -> str:
    return gettext("%(gates)s: not where this person usually passes.", gates=_gates(values["gates"], name))


_WHY: dict[str, Callable[[Mapping[str, Any], GateName], str]] = {
    "hold_broken": _hold,
    "impossible_travel": _travel,
    "pass_shared": _shared,
    "visitor_overstay": _overstay,
    "ledger_surplus": _surplus,
    "relayed_code": _relayed,
    "silent_resident": _silent,
    "unusual_hour": _hour,
    "unusual_frequency": _frequency,
    "unusual_behaviour": _behaviour,
}


def reason_codes() -> set[str]:
    """Codes that can be worded; a test holds them to `domain/anomalies.py`."""
    return set(_WHY)
