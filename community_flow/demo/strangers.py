"""Those who are not in the registry: couriers and repairs, single followers, cards that are no longer good."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from community_flow.demo.movement import NOBODY, Crossing
from community_flow.demo.people import People
from community_flow.demo.places import FULL
from community_flow.demo.plan import HOUR_MS, MINUTE_MS, Plan

ERRANDS = ("delivery", "delivery", "delivery", "delivery", "guest", "repair")
EXIT_SEEN = 0.82


def strangers(plan: Plan, people: People) -> list[Crossing]:
    """Crossings and attempts of everybody unknown, in no order."""
    rng = Random(f"{plan.seed}:strangers")
    found = [*_couriers(plan, rng), *_followers(plan, rng), *_revoked(plan, people, rng)]
    return [crossing for crossing in found if crossing.t_ms < plan.until_ms]


def _couriers(plan: Plan, rng: Random) -> Iterator[Crossing]:
    """In for a few minutes; about one in five leaves without being entered as leaving, only the camera sees it."""
    for day in plan.dates:
        for _ in range(plan.share(rng.randint(60, 85))):
            gate = rng.choice(("east", "east", "west"))
            entered_ms = plan.midnight_ms(day) + int(rng.triangular(7.5, 21, 12.2) * HOUR_MS)
            errand = rng.choice(ERRANDS)
            minutes = rng.uniform(6, 28) if errand == "delivery" else rng.uniform(35, 58)
            yield Crossing(entered_ms, FULL, gate, "in", NOBODY, visitor=errand)
            left_ms = entered_ms + int(minutes * MINUTE_MS)
            noted = errand if rng.random() < EXIT_SEEN else ""
            yield Crossing(left_ms, FULL, gate, "out", NOBODY, visitor=noted, seen=bool(noted))


def _followers(plan: Plan, rng: Random) -> Iterator[Crossing]:
    """Two or three a day walk in behind somebody, and leave the same way an hour later."""
    for day in plan.dates:
        for _ in range(plan.share(rng.randint(2, 4))):
            t_ms = plan.midnight_ms(day) + int(rng.uniform(7, 21) * HOUR_MS)
            yield Crossing(t_ms, FULL, "east", "in", NOBODY, seen=False, story="tailgating")
            yield Crossing(t_ms + int(rng.uniform(30, 90) * MINUTE_MS), FULL, "east", "out", NOBODY, seen=False)


def _revoked(plan: Plan, people: People, rng: Random) -> Iterator[Crossing]:
    """Somebody who found a lost card tries it once or twice after it was revoked: stopped."""
    for shown in people.passes:
        if shown.revoked_ms is None or people.persons[shown.person].community != FULL or not plan.days:
            continue
        t_ms = max(shown.revoked_ms, plan.from_ms) + int(rng.uniform(5, 60) * HOUR_MS)
        for turn in range(rng.randint(0, 2)):
            yield Crossing(
                t_ms + turn * 4 * MINUTE_MS,
                FULL,
                rng.choice(("east", "west")),
                "in",
                NOBODY,
                shown.number,
                seen=False,
                decision="stop",
                reason="revoked",
            )
