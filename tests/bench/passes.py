"""A pass at the gate: what reading, proving and deciding costs, and what a million changed passes come to.

    python -m tests.bench.passes [--json] [--quick] [--seed N]

Costs are processor time of one code from its text to its sentence, in Python and in the gate's own JavaScript under
node, beside the bare signature by the same library. The changed passes (tests/mutants.py) go through the Python
reader; a tenth of them through the JavaScript one too, and a few through it without WebCrypto's Ed25519.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from msgspec import convert

from community_flow.domain import passes
from community_flow.domain.admission import Gate, Shown, State, evaluate
from community_flow.domain.gate_table import Record
from tests.bench._figures import Figure, options, shown
from tests.mutants import answer, by_javascript, genuine, mutants
from tests.vectors import make_passes
from tests.vectors.made import public
from tests.vectors.make_admission import body

MANY, QUICK = 1_000_000, 20_000
CHUNK = 10_000
SHARE = 10
BY_LIBRARY = 2_000
REPEATS = 3_000


@dataclass
class Tally:
    """What became of the changed passes."""

    read: int = 0
    accepted: int = 0
    untyped: int = 0
    javascript: int = 0
    differ: int = 0
    examples: list[str] = field(default_factory=list)

    def take(self, codes: Sequence[str], theirs: Sequence[str] | None) -> None:
        ours = [said_of(code) for code in codes]
        self.read += len(codes)
        self.accepted += sum("/allow/" in said for said in (*ours, *(theirs or ())))
        self.untyped += sum(said.startswith("threw") for said in (*ours, *(theirs or ())))
        if theirs is not None:
            self.javascript += len(theirs)
            self.differ += sum(mine != other for mine, other in zip(ours, theirs, strict=True))
        self.examples += [code for code, said in zip(codes, ours, strict=True) if "/allow/" in said]


def said_of(code: str) -> str:
    try:
        return answer(code)
    except Exception as error:  # noqa: BLE001 - what is measured is that this never happens
        return f"threw {error!r}"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    args = parser.parse_args()
    found = {**costs(), **changed(args.seed, QUICK if args.quick else MANY)}
    print(shown(found, args.json))


def changed(seed: int, count: int) -> dict[str, Figure]:
    """The changed passes, in chunks: every tenth chunk goes through JavaScript as well."""
    tally, rest = Tally(), mutants(seed, count)
    for number, chunk in enumerate(chunks(rest)):
        tally.take(chunk, by_javascript(chunk)["answers"] if number % SHARE == 0 else None)
    few = list(mutants(seed + 1, BY_LIBRARY))
    tally.take(few, by_javascript(few, "--without-ed25519")["answers"])
    peer = f"seed {seed}"
    return {
        "changed passes read": Figure(tally.read, "passes", None, peer),
        "of them by JavaScript too": Figure(tally.javascript, "passes", None, f"{BY_LIBRARY} by the kept library"),
        "let in": Figure(tally.accepted, "passes", 0, "; ".join(tally.examples[:3]), most=True),
        "answered with an untyped error": Figure(tally.untyped, "passes", 0, "", most=True),
        "answered otherwise by JavaScript": Figure(tally.differ, "passes", 0, "", most=True),
    }


def chunks(codes: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(codes, CHUNK)):
        yield chunk


def costs() -> dict[str, Figure]:
    """Processor time from text to sentence, by kind of pass."""
    bare, found = bare_us(), {}
    found["bare Ed25519 verification (Python)"] = Figure(bare, "us CPU", None, "cryptography")
    for kind, codes in kinds().items():
        ours, theirs = cpu_us(partial(answered, codes), len(codes)), javascript_us(codes)
        found[f"{kind}: text to decision, Python"] = Figure(ours, "us CPU", None, f"{ours / bare:.2f} x bare Ed25519")
        found[f"{kind}: text to decision, JavaScript"] = Figure(theirs, "us CPU", 100_000, "node, WebCrypto", most=True)
    found |= rules()
    plain = kinds()["Ed25519 phone"]
    found["Ed25519 phone: JavaScript, kept library"] = Figure(
        javascript_us(plain[:300], "--without-ed25519"), "us CPU", 100_000, "node, @noble/ed25519", most=True
    )
    return found


def rules() -> dict[str, Figure]:
    """The evaluator alone, over its vectors: every kind of answer."""
    cases = [
        (convert(case["shown"], Shown), case["record"] and convert(case["record"], Record), convert(case["gate"], Gate),
         convert(case["state"], State))
        for case in body()["cases"]
    ]  # fmt: skip
    ours = cpu_us(lambda: [evaluate(*case) for case in cases * 10], len(cases) * 10)
    theirs = min(float(by_javascript([])["rules_us"]) for _ in range(2))
    return {
        "rules alone, Python": Figure(ours, "us CPU", None, f"{len(cases)} vectors"),
        "rules alone, JavaScript": Figure(theirs, "us CPU", None, "node"),
    }


def answered(codes: Sequence[str]) -> list[str]:
    return [answer(code) for code in codes]


def kinds() -> dict[str, list[str]]:
    parted: dict[str, list[str]] = {"card": [], "Ed25519 phone": [], "P-256 phone": []}
    for code in genuine():
        token = passes.decode(code)
        assert isinstance(token, passes.Token)
        kind = "card" if token.is_card else "P-256 phone" if token.type in passes.P256_TYPES else "Ed25519 phone"
        parted[kind].append(code)
    return {kind: (codes * (REPEATS // len(codes) + 1))[:REPEATS] for kind, codes in parted.items()}


def bare_us() -> float:
    message = passes.signed_bytes(make_passes.HOME, bytes(13))
    signature = make_passes.CARD.sign(message)
    key = make_passes.CARD.public_key()
    assert key.public_bytes_raw() == public(make_passes.CARD)
    return cpu_us(lambda: [key.verify(signature, message) for _ in range(REPEATS)], REPEATS)


def cpu_us(work: Callable[[], object], count: int) -> float:
    """The least of five runs: other programs only ever add to it."""
    took = []
    for _ in range(5):
        start = time.process_time()
        work()
        took.append((time.process_time() - start) / count * 1e6)
    return min(took)


def javascript_us(codes: Sequence[str], *options: str) -> float:
    return min(float(by_javascript(codes, *options)["us"]) for _ in range(2))


if __name__ == "__main__":
    main()
