"""How benchmarks say what they found."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One result; ``bar`` is the least (or, when ``most``, the greatest) value that holds."""

    value: float
    unit: str
    bar: float | None
    peer: str
    most: bool = False

    @property
    def holds(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value <= self.bar if self.most else self.value >= self.bar


def options(description: str | None) -> argparse.ArgumentParser:
    """--json and --quick, which every benchmark knows."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    parser.add_argument("--quick", action="store_true", help="less of everything, within a minute")
    return parser


def shown(found: dict[str, Figure], as_json: bool) -> str:
    """A table for people, or one JSON object."""
    return json.dumps({name: _plain(each) for name, each in found.items()}) if as_json else _table(found)


def _plain(each: Figure) -> dict[str, Any]:
    return {"value": round(each.value, 3), "unit": each.unit, "bar": each.bar, "peer": each.peer, "holds": each.holds}


def _table(found: dict[str, Figure]) -> str:
    lines = []
    for name, each in found.items():
        bar = "" if each.bar is None else f"{'<=' if each.most else '>='} {each.bar:g}"
        verdict = {None: "", True: "holds", False: "MISSED"}[each.holds]
        lines.append(f"{name:56} {each.value:10.2f} {each.unit:10} {bar:8} {verdict:7} {each.peer}")
    return "\n".join(lines)
