"""Hours and days as people write them: Mon-Fri 8:00-18:00, 周六、周日 22:00～06:00."""

from __future__ import annotations

import re

from community_flow.domain.errors import Invalid
from community_flow.domain.hours import DAY_NAMES, EVERY_DAY
from community_flow.domain.places import Windows

TO = "-–—~～至到"
HOURS = re.compile(rf"([0-9]{{1,2}})[:：]([0-9]{{2}})\s*[{TO}]\s*([0-9]{{1,2}})[:：]([0-9]{{2}})$")
SAYING = {"工作日": "12345", "周末": "67", "weekdays": "12345", "weekends": "67", "每天": EVERY_DAY, "daily": EVERY_DAY}
NAMED = dict(zip([each.lower() for each in DAY_NAMES["en"]], EVERY_DAY, strict=True)) | dict(
    zip("一二三四五六日", EVERY_DAY, strict=True)
)
DAY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)[a-z]*|(?:周|星期|礼拜)?([一二三四五六日天])", re.I)


def windows(text: str) -> Windows:
    """One window for each span of hours; raises Invalid."""
    made, days = list[tuple[str, ...]](), ""
    for part in re.split(r"[,，;；、]", text):
        if not re.search("[0-9]", part):
            days += f"{part} "  # of the next hours: Sat, Sun 09:00-12:00
            continue
        made.append(_window(f"{days}{part}".strip()))
        days = ""
    if days.strip():
        raise _unread()
    return tuple(made)


def _window(text: str) -> tuple[str, ...]:
    found = HOURS.search(text)
    if found is None:
        raise _unread()
    numbers, days = found.groups(), _days(text[: found.start()].strip())
    span = f"{numbers[0]:0>2}:{numbers[1]}", f"{numbers[2]:0>2}:{numbers[3]}"
    return span if days == EVERY_DAY else (*span, days)


def _days(text: str) -> str:
    """Digits from 1 for Monday, in order; every day where none is named."""
    said = SAYING.get(text.lower())
    if said or not text:
        return said or EVERY_DAY
    found = {
        day for part in re.split(r"[\s/+和及与]+", re.sub(rf"\s*[{TO}]\s*", "-", text)) if part for day in _run(part)
    }
    return "".join(sorted(found))


def _run(text: str) -> str:
    """Mon-Fri, or one day; a run may go over the end of the week."""
    ends = [_day(each) for each in text.split("-")]
    if len(ends) == 1:
        return ends[0]
    if len(ends) > 2:
        raise _unread()
    first, last = (EVERY_DAY.index(each) for each in ends)
    return (EVERY_DAY * 2)[first : (last if last >= first else last + 7) + 1]


def _day(text: str) -> str:
    found = DAY.fullmatch(text.strip())
    if found is None:
        raise _unread()
    return NAMED[(found[1] or found[2]).lower().replace("天", "日")]


def _unread() -> Invalid:
    return Invalid(
        "Hours are written like 08:00-18:00 or Mon-Fri 08:00-18:00, several with commas between them.", field="hours"
    )
