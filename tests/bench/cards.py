"""Cards for everybody of a community, as the page sends them: a ZIP that grows while it is made.

    python -m tests.bench.cards [--json] [--quick] [--people N]

Memory is what the process has grown by at most while it printed, against the same for a tenth of the people.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from community_flow.adapters.cards_pdf import print_cards
from community_flow.domain.residents import Resident
from community_flow.entrypoints.zip_stream import zipped
from community_flow.services.cards import Cards
from community_flow.settings import Settings
from tests.bench._figures import Figure, options, shown
from tests.conftest import prepared
from tests.factories import small_community
from tests.registry_parts import MANAGER, parts_of

IN_BUILDING = 700
"""More than one file holds, so that a building comes in parts."""


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def residents(first: int, last: int) -> list[Resident]:
    return [
        Resident(name=f"住户{chr(0x4E00 + at % 5000)}{at}", unit=f"{at // IN_BUILDING + 1}-1-{at % IN_BUILDING + 101}")
        for at in range(first, last)
    ]


def printed(cards: Cards) -> tuple[float, int]:
    """(seconds, bytes) of a whole print, thrown away as it comes."""
    started, size = time.perf_counter(), 0
    for piece in zipped(cards.print_all(MANAGER, "garden")):
        size += len(piece)
    return time.perf_counter() - started, size


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--people", type=int, default=None)
    given = parser.parse_args()
    people = given.people or (2_000 if given.quick else 10_000)
    with tempfile.TemporaryDirectory() as folder:
        core = prepared(Settings(data_dir=Path(folder) / "var"))
        small_community(core)
        parts = parts_of(core)
        cards = Cards(parts.people, print_cards)
        few = people // 10
        with core.db.write() as tx:
            parts.people.add_in(tx, MANAGER, "garden", residents(0, few))
        printed(cards)
        before = peak_mib()
        with core.db.write() as tx:
            parts.people.add_in(tx, MANAGER, "garden", residents(few, people))
        took_s, size = printed(cards)
        grown = peak_mib() - before
        core.db.close()
    found = {
        f"{people} cards, A4": Figure(took_s, "s", None, "those that were missing are issued"),
        "a card": Figure(1000 * took_s / people, "ms", None, ""),
        "size": Figure(size / 2**20, "MiB", None, "a ZIP of PDFs"),
        "memory beyond a tenth of them": Figure(grown, "MiB", 200, "ten times the people", most=True),
    }
    print(shown(found, given.json))


if __name__ == "__main__":
    main()
