"""May this pass go through this gate now? One evaluator, one reason, one sentence in Chinese and English.

The gate's own twin is web/scanner/admission.js; both are held to tests/vectors/admission.json. Only forged, revoked and
copied stop; every administrative reason asks the guard to look (check). A sentence may state the rule's own gates and
hours, never where or when anyone passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from community_flow.domain.gate_table import DEAD_MS, Record
from community_flow.domain.hours import MINUTE_MS, hours, open_at
from community_flow.domain.passes import EPOCH_S, GRACE_DAYS, Fault, Proof
from community_flow.domain.places import Passback, Passing, Rule, Windows

DAY_MS = 86_400_000
ADVICE_AFTER_MS = 10 * MINUTE_MS
"""A state (who is inside, how full, how often) older than this only advises."""

Answer = Literal["allow", "check", "stop"]


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody held out, and what reading it found."""

    kind: Literal["card", "rotating", "tag", "ref"]
    fault: Fault | None = None
    proof: Proof = Proof.GOOD
    clock_good: bool = True
    replay: Literal["fresh", "same", "older"] = "fresh"
    challenge: Literal["none", "missing", "answered", "wrong", "old"] = "none"
    """What the code says to the number that the guard asked for; none when nobody asked."""
    serial: int | None = None
    expiry_day: int | None = None


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of the moment: `inside` this person, `used` outings of the household today, the zone `full`."""

    inside: bool | None = None
    used: int | None = None
    full: bool = False
    age_ms: int | None = None

    @property
    def fresh(self) -> bool:
        return self.age_ms is not None and self.age_ms <= ADVICE_AFTER_MS


class Gate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where and when. ``names`` are the community's gates for a sentence that sends somebody to the right one.

    ``windows`` are the gate's own hours, ``rules`` the community's by pass type, ``quota`` that of every household
    that has none of its own. ``challenge``: phones that come in here answer a number first.
    """

    gate: str
    direction: Literal["in", "out"]
    at_ms: int
    utc_offset_min: int = 0
    passback: Passback = "off"
    challenge: bool = False
    exits: Passing = "scanned"
    windows: Windows = ()
    rules: dict[str, Rule] = {}
    quota: int | None = None
    free_flow: bool = False
    online: bool = True
    list_age_ms: int = 0
    names: dict[str, dict[str, str]] = {}


class Decision(msgspec.Struct, frozen=True):
    """The one answer."""

    decision: Answer
    reason: str
    zh: str
    en: str


# sentence: (decision, reason, zh, en). A guard reads it aloud, so it says what would make it right.
SENTENCES: Mapping[str, tuple[Answer, str, str, str]] = {
    "ok_in": ("allow", "ok", "已登记进入", "Entry recorded"),
    "ok_out": ("allow", "ok", "已登记离开", "Exit recorded"),
    "duplicate": ("allow", "duplicate", "刚才已登记，不重复计数", "Recorded a moment ago, counted once"),
    "free_flow": ("allow", "free_flow", "应急放行，已计数", "Emergency: everyone passes, counted"),
    "inside": (
        "allow",
        "already_inside",
        "系统显示已在内，请留意是否本人",
        "On record as inside: is it the same person?",
    ),
    "inside_hard": (
        "check",
        "already_inside",
        "系统显示已在内，请核对本人",
        "On record as inside: please check who this is",
    ),
    "not_ours": (
        "check",
        "unknown",
        "这不是社区通行码，请出示通行码或登记",
        "Not a community pass: show one or register",
    ),
    "unknown": (
        "check",
        "unknown",
        "名单里没有这个通行码，请到服务台核实",
        "Not on this gate's list: please ask at the desk",
    ),
    "newer": (
        "check",
        "unknown",
        "此卡比本机名单新，请联网更新名单",
        "This card is newer than the list: go online to update it",
    ),
    "tag_offline": (
        "check",
        "unknown",
        "IC 卡须联网核实，请改用房号登记",
        "Card numbers need the network: register by unit instead",
    ),
    "malformed": ("check", "error", "没有读完整，请再扫一次", "Not read completely: please scan again"),
    "version": ("check", "error", "通行码版本较新，请更新本程序", "Made for a newer version: please update this app"),
    "list_dead": ("check", "error", "名单超过 14 天未更新，请联网", "The list is over 14 days old: please go online"),
    "revoked": (
        "stop",
        "revoked",
        "通行码已停用，请到服务台办理",
        "This pass was withdrawn: ask at the desk for a new one",
    ),
    "replaced": ("stop", "revoked", "此卡已换发，请出示新卡", "This card was replaced: please show the new one"),
    "copied": (
        "stop",
        "copied",
        "此码被人复制，已停用，请到服务台换发",
        "This pass was copied and is blocked: get a new one",
    ),
    "forged": (
        "stop",
        "forged",
        "不是本社区签发的通行码，请到服务台办理",
        "Not a genuine pass of this community: get one at the desk",
    ),
    "wrong_community": (
        "check",
        "wrong_community",
        "这是其他社区的通行码，请按访客登记",
        "A pass of another community: register a visitor",
    ),
    "expired": ("check", "expired", "{date} 已到期，请到服务台续期", "Expired on {date}: please renew it at the desk"),
    "grace": (
        "check",
        "expired",
        "{date} 已到期，宽限期内，请尽快续期",
        "Expired on {date}, still in its grace: renew it soon",
    ),
    "not_yet": ("check", "not_yet", "{date} 起生效，请届时再来", "Valid from {date}: please come back then"),
    "wrong_gate": ("check", "wrong_gate", "请走{gates}", "Please use {gates}"),
    "no_gate": (
        "check",
        "wrong_gate",
        "未开通任何出入口，请到服务台",
        "Not set up for any gate: please ask at the desk",
    ),
    "quota": (
        "check",
        "quota",
        "本户今日 {n} 次出行已用完，请明日再出行",
        "The household used its {n} outings of today: go out tomorrow",
    ),
    "time_window": (
        "check",
        "time_window",
        "可通行时段 {windows}，请届时再来",
        "This pass is good {windows}: please come then",
    ),
    "gate_closed": (
        "check",
        "time_window",
        "此门 {windows} 开放，请走其他门或届时再来",
        "This gate is open {windows}: use another or come then",
    ),
    "zone_full": ("check", "zone_full", "里面人已满，请稍候", "It is full inside: please wait a moment"),
    "hold": ("check", "hold", "请到服务台", "Please go to the desk"),
    "replayed": (
        "check",
        "replayed_code",
        "此码已用过，请在手机上刷新再扫",
        "This code was used before: refresh it and scan again",
    ),
    "challenge_asked": (
        "check",
        "replayed_code",
        "此门要核对数字，请让住户在手机上输入",
        "This gate asks phones for a number: it is typed in My pass",
    ),
    "challenge_missing": (
        "check",
        "replayed_code",
        "还没有回答数字，请在手机上点“门岗要数字”",
        "No answer yet: tap “The guard asks for a number” on the phone",
    ),
    "challenge_card": (
        "check",
        "replayed_code",
        "卡片不能回答数字，请改用手机码或核对本人",
        "A card cannot answer a number: use the phone or check who it is",
    ),
    "challenge_wrong": (
        "check",
        "replayed_code",
        "数字不对，请输入门岗屏幕上的数字",
        "Another number: please type the one on the guard's screen",
    ),
    "challenge_old": (
        "check",
        "replayed_code",
        "数字已用过或过期，请换一个数字再试",
        "That number is used or over a minute old: ask for a new one",
    ),
    "challenge_unasked": (
        "check",
        "replayed_code",
        "这里没有问过数字，请在手机上换回普通码",
        "No number was asked here: show the ordinary code on the phone",
    ),
    "clock_skew": (
        "check",
        "clock_skew",
        "手机时间不准，请设为自动再扫",
        "The phone's clock is off: set it to automatic and retry",
    ),
    "undecided": ("check", "undecided", "尚未处理", "Not decided yet"),
}


EVERYTHING = Rule()
"""What a type without a rule may do."""


def evaluate(shown: Shown, record: Record | None, gate: Gate, state: State) -> Decision:
    """The first rule that speaks, in this order; else ok."""
    if gate.free_flow:
        return _say("free_flow")
    for rule in (_reading, _standing, _use, _validity, _rule, _surroundings):
        decision = rule(shown, record, gate, state)
        if decision:
            return decision
    return _say("ok_in" if gate.direction == "in" else "ok_out")


def _reading(shown: Shown, record: Record | None, gate: Gate, state: State) -> Decision | None:
    """Is it a genuine pass, and one that this gate's list knows?"""
    if shown.fault:
        return _say({Fault.NOT_OURS: "not_ours", Fault.UNKNOWN_TYPE: "version"}.get(shown.fault, "malformed"))
    if shown.kind == "tag" and not gate.online:
        return _say("tag_offline")
    if shown.proof in (Proof.FORGED, Proof.UNKNOWN_KEY):
        return _say("forged")
    if shown.proof is Proof.FOREIGN:
        return _say("wrong_community")
    if shown.proof is Proof.NO_CHALLENGE:
        return _say("challenge_unasked")
    if gate.list_age_ms > DEAD_MS:
        return _say("list_dead")
    return None if record else _say("unknown")


def _standing(shown: Shown, record: Record | None, gate: Gate, state: State) -> Decision | None:
    """Was the pass taken back or replaced?"""
    assert record is not None  # _reading answered for every pass without one
    if record.status != "active":
        return _say(record.status)
    if shown.serial is None or record.serial is None or shown.serial == record.serial:
        return None
    return _say("replaced" if shown.serial < record.serial else "newer")


def _use(shown: Shown, record: Record | None, gate: Gate, state: State) -> Decision | None:
    """Is it this person's code of this moment, and may the person pass at all?"""
    asked = _challenge(shown, gate)
    if asked:
        return _say(asked)
    if not shown.clock_good:
        return _say("clock_skew")
    if shown.replay != "fresh":
        return _say("duplicate" if shown.replay == "same" else "replayed")
    return _say("hold") if record and record.hold else None


def _challenge(shown: Shown, gate: Gate) -> str | None:
    """What is wrong with the answer to the guard's number; cards cannot give one, and no gate's rule asks them."""
    if shown.challenge in ("wrong", "old"):
        return f"challenge_{shown.challenge}"
    if shown.challenge == "missing":
        return "challenge_card" if shown.kind == "card" else "challenge_missing"
    asks = gate.challenge and gate.direction == "in" and shown.kind == "rotating"
    return "challenge_asked" if asks and shown.challenge == "none" else None


def _validity(shown: Shown, record: Record | None, gate: Gate, state: State) -> Decision | None:
    """Dates. Whoever leaves is not held back by them."""
    assert record is not None
    if gate.direction == "out":
        return None
    if record.from_ms is not None and gate.at_ms < record.from_ms:
        return _say("not_yet", date=_moment(record.from_ms, gate.utc_offset_min))
    end_ms = _end_ms(shown, record, gate)
    if end_ms is None or gate.at_ms < end_ms:
        return None
    in_grace = shown.kind == "card" and record.type != "visitor" and gate.at_ms < end_ms + GRACE_DAYS * DAY_MS
    return _say("grace" if in_grace else "expired", date=_day(end_ms - 1, gate.utc_offset_min))


def _end_ms(shown: Shown, record: Record, gate: Gate) -> int | None:
    """When the pass ends: by the record, or at the end of the local day printed into the card."""
    printed = None
    if shown.expiry_day is not None:
        printed = ((shown.expiry_day + 1) * 86_400 + EPOCH_S) * 1000 - gate.utc_offset_min * MINUTE_MS
    return min((end for end in (record.until_ms, printed) if end is not None), default=None)


def _rule(shown: Shown, record: Record | None, gate: Gate, state: State) -> Decision | None:
    """Outings; gates and hours of the pass, else of its type; then the gate's own hours."""
    assert record is not None
    if gate.direction == "out":
        return _outings(record, gate, state)
    rule = gate.rules.get(record.type, EVERYTHING)
    gates = rule.gates if record.gates is None else record.gates
    if gates is not None and gate.gate not in gates:
        return _list_gates(gates, gate)
    windows = record.windows or rule.windows
    if not open_at(windows, gate.at_ms, gate.utc_offset_min):
        return _say_hours("time_window", windows)
    return None if open_at(gate.windows, gate.at_ms, gate.utc_offset_min) else _say_hours("gate_closed", gate.windows)


def _outings(record: Record, gate: Gate, state: State) -> Decision | None:
    """The household's number, else the community's; where the way out is free, nobody is asked."""
    quota = gate.quota if record.quota is None and record.household is not None else record.quota
    if quota is None or gate.exits == "free" or not state.fresh or state.used is None or state.used < quota:
        return None
    return _say("quota", n=str(quota))


def _surroundings(shown: Shown, record: Record | None, gate: Gate, state: State) -> Decision | None:
    """What is known of the inside."""
    if gate.direction == "out":
        return None
    if state.inside and gate.passback != "off":
        return _say("inside_hard" if gate.passback == "hard" and state.fresh else "inside")
    return _say("zone_full") if state.full and state.fresh else None


def replay(last: tuple[int, int] | None, token_s: int, at_ms: int, window_ms: int) -> Literal["fresh", "same", "older"]:
    """What a rotating code's time says beside the ``last`` one of this pass: (token_s, when first shown in ms).

    The same time within the window is the same showing; anything not newer is a picture of an old screen.
    """
    if last is None or token_s > last[0]:
        return "fresh"
    return "same" if token_s == last[0] and 0 <= at_ms - last[1] <= window_ms else "older"


def _say(sentence: str, **values: str) -> Decision:
    decision, reason, zh, en = SENTENCES[sentence]
    return Decision(decision, reason, _fill(zh, values), _fill(en, values))


def _fill(sentence: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        sentence = sentence.replace("{" + name + "}", value)
    return sentence


def _list_gates(gates: tuple[str, ...], gate: Gate) -> Decision:
    def listed(language: str, separator: str) -> str:
        return separator.join(gate.names.get(each, {}).get(language) or each for each in gates)

    if not gates:
        return _say("no_gate")
    decision, reason, zh, en = SENTENCES["wrong_gate"]
    return Decision(
        decision, reason, _fill(zh, {"gates": listed("zh", "、")}), _fill(en, {"gates": listed("en", ", ")})
    )


def _say_hours(sentence: str, windows: Windows) -> Decision:
    decision, reason, zh, en = SENTENCES[sentence]
    return Decision(
        decision, reason, _fill(zh, {"windows": hours(windows, "zh")}), _fill(en, {"windows": hours(windows, "en")})
    )


def _day(at_ms: int, utc_offset_min: int) -> str:
    return _moment(at_ms, utc_offset_min)[:10]


def _moment(at_ms: int, utc_offset_min: int) -> str:
    from datetime import UTC, datetime

    local = datetime.fromtimestamp(at_ms // 1000 + utc_offset_min * 60, UTC)
    return local.strftime("%Y-%m-%d %H:%M")
