"""Printed cards: rasterise the PDF as a printer would and read every code back; fonts are embedded."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from community_flow.adapters import cards_pdf
from community_flow.adapters.cards_pdf import print_cards, qr_modules
from community_flow.domain import passes as cf1
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.residents import Resident
from community_flow.ports.cards import CardFace
from community_flow.services.cards import Cards
from community_flow.wiring.core import Core
from tests.factories import small_community
from tests.registry_parts import MANAGER, STRANGER, Parts, parts_of

NAMES = [
    "林晓梅", "阿依古丽·买买提", "𬭎䶮", "John Jacob Jingleheimer-Schmidt",
    "买买提江·吐尔逊·阿不都热西提·伊斯拉木",
]  # fmt: skip
pytestmark = pytest.mark.skipif(shutil.which("pdftoppm") is None, reason="apt-get install poppler-utils")


@pytest.fixture
def parts(sqlite_core: Core) -> Parts:
    small_community(sqlite_core)
    return parts_of(sqlite_core)


def face(name: str = "林晓梅", text: str = "CF1:" + "A1 $" * 29) -> CardFace:
    return CardFace(
        person="p_x", name=name, building="7号楼", community="锦绣花园", text=text, short_code="12345674",
        until="2028-11-23", serial=0, language="zh",
    )  # fmt: skip


def codes_in(pdf: bytes, folder: Path, dpi: int = 150) -> list[str]:
    """Every QR code of every page."""
    import cv2
    import zxingcpp

    path = folder / "cards.pdf"
    path.write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", str(dpi), "-png", str(path), str(folder / "page")], check=True)
    pages = sorted(folder.glob("page*.png"))
    return [code.text for page in pages for code in zxingcpp.read_barcodes(cv2.imread(str(page)))]


@pytest.mark.parametrize("paper", ["a4", "cr80"])
def test_every_printed_code_reads_back_and_proves(parts: Parts, tmp_path: Path, paper: str) -> None:
    people = [parts.people.add(MANAGER, "garden", Resident(name=name, unit="1-1-101")) for name in NAMES]
    pdf = Cards(parts.people, print_cards).print(MANAGER, "garden", paper=paper)  # type: ignore[arg-type]
    read = codes_in(pdf, tmp_path)
    with parts.people.db.read() as tx:
        held = parts.passes.of_persons(tx, MANAGER, people)
        assert sorted(read) == sorted(parts.passes.text(tx, each) for each in held)
        uid = parts.people.registry.uid(tx, "garden")
    keys = parts.passes.keys.card_keys(uid)
    for text in read:
        token = cf1.decode(text)
        assert isinstance(token, cf1.Token)
        assert cf1.prove_card(token, uid, keys) is cf1.Proof.GOOD


def test_the_fonts_are_embedded_so_that_any_printer_draws_the_names(tmp_path: Path) -> None:
    path = tmp_path / "cards.pdf"
    path.write_bytes(print_cards([face(name) for name in NAMES], "a4"))
    listed = subprocess.run(["pdffonts", str(path)], check=True, capture_output=True, text=True).stdout.splitlines()[2:]
    chinese = [line for line in listed if "WenQuanYi" in line or "Hana" in line]
    assert len(chinese) >= 2
    assert all(line.split()[-5] == "yes" for line in chinese), listed
    text = subprocess.run(["pdftotext", str(path), "-"], check=True, capture_output=True, text=True).stdout
    assert "林晓梅" in text
    assert "阿依古丽·买买提" in text


def test_eleven_cards_are_two_sheets() -> None:
    one, two = (print_cards([face()] * count, "a4").count(b"/Type /Page\n") for count in (10, 11))
    assert (one, two) == (1, 2)


def test_the_code_is_version_5_in_alphanumeric_mode() -> None:
    assert len(qr_modules("CF1:" + "0" * 116)) == 37


def test_a_letter_without_a_glyph_is_named_with_the_person() -> None:
    with pytest.raises(Invalid, match=r"U\+1FAE0.*林🫠"):
        print_cards([face(), face("林🫠")], "a4")


def test_a_missing_font_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    cards_pdf._fonts.cache_clear()
    monkeypatch.setattr(cards_pdf, "FONTS", (("WenQuanYi", Path("/nowhere/wqy-zenhei.ttc"), "fonts-wqy-zenhei"),))
    try:
        with pytest.raises(Invalid, match="fonts-wqy-zenhei"):
            print_cards([face()], "a4")
    finally:
        cards_pdf._fonts.cache_clear()


def test_printing_again_gives_the_same_card_and_a_reissue_another(parts: Parts, tmp_path: Path) -> None:
    person = parts.people.add(MANAGER, "garden", Resident(name="林晓梅", unit="1-1-101"))
    cards = Cards(parts.people, print_cards)
    first, again = (codes_in(cards.print(MANAGER, "garden", persons=[person]), tmp_path) for _ in range(2))
    assert first == again
    with parts.people.db.read() as tx:
        held = parts.passes.of_persons(tx, MANAGER, [person])
    assert len(held) == 1
    parts.passes.reissue(MANAGER, held[0].pass_id)
    assert codes_in(cards.print(MANAGER, "garden", persons=[person]), tmp_path) != first


def test_each_name_that_is_printed_is_a_look_in_the_log(parts: Parts) -> None:
    person = parts.people.add(MANAGER, "garden", Resident(name="林晓梅", unit="1-1-101"))
    Cards(parts.people, print_cards).print(MANAGER, "garden", building="1")
    assert "card.print" in {row.action for row in parts.people.who_looked(MANAGER, person)}


def test_foreign_and_empty_communities(parts: Parts) -> None:
    cards = Cards(parts.people, print_cards)
    with pytest.raises(NotFound):
        cards.print(STRANGER, "garden")
    with pytest.raises(NotFound, match="add people first"):
        cards.print(MANAGER, "garden")


def test_buildings_tell_who_has_no_card_yet(parts: Parts) -> None:
    for unit in ("1-1-101", "1-1-102", "2-101"):
        parts.people.add(MANAGER, "garden", Resident(name="林晓梅", unit=unit))
    cards = Cards(parts.people, print_cards)
    cards.print(MANAGER, "garden", building="2")
    lines = [(line.building, line.people, line.without_card) for line in cards.buildings(MANAGER, "garden")]
    assert lines == [("1", 2, 2), ("2", 1, 0)]
    assert [name for name, _ in cards.print_all(MANAGER, "garden")] == ["cards-garden-1.pdf", "cards-garden-2.pdf"]


def test_a_visitors_pass_is_never_printed_as_a_card_of_two_years(parts: Parts) -> None:
    parts.people.add(MANAGER, "garden", Resident(name="赵客", unit="1-1-101", type="visitor"))
    assert Cards(parts.people, print_cards).buildings(MANAGER, "garden") == []


DAY_MS = 86_400_000


def test_cards_that_end_soon_are_printed_anew_and_no_others(parts: Parts, tmp_path: Path) -> None:
    soon, later = (
        parts.people.add(MANAGER, "garden", Resident(name=name, unit="1-1-101")) for name in ("林晓梅", "钱二")
    )
    now_ms = parts.people.clock.now_ms()
    parts.passes.issue_card(MANAGER, soon, now_ms + 30 * DAY_MS)
    parts.passes.issue_card(MANAGER, later, now_ms + 90 * DAY_MS)
    cards = Cards(parts.people, print_cards)
    assert cards.expiring(MANAGER, "garden") == 1
    [text] = codes_in(cards.print_expiring(MANAGER, "garden"), tmp_path)
    token = cf1.decode(text)
    assert isinstance(token, cf1.Token)
    assert token.serial == 1
    with parts.people.db.read() as tx:
        held = {each.state.person: each.state for each in parts.passes.of_persons(tx, MANAGER, [soon, later])}
    assert (held[soon].until_ms or 0) > now_ms + 700 * DAY_MS
    assert held[later].serial == 0
    with pytest.raises(NotFound, match="nothing to print"):
        cards.print_expiring(MANAGER, "garden")


def test_a_name_that_cannot_be_drawn_stops_no_card(parts: Parts) -> None:
    person = parts.people.add(MANAGER, "garden", Resident(name="林🫠", unit="1-1-101"))
    parts.passes.issue_card(MANAGER, person, parts.people.clock.now_ms() + 30 * DAY_MS)
    with pytest.raises(Invalid, match="1FAE0"):
        Cards(parts.people, print_cards).print_expiring(MANAGER, "garden")
    with parts.people.db.read() as tx:
        assert [each.state.serial for each in parts.passes.of_persons(tx, MANAGER, [person])] == [0]


def test_a_building_with_more_cards_than_a_file_holds_comes_in_parts(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("community_flow.services.cards.AT_ONCE", 2)
    for number in range(5):
        parts.people.add(MANAGER, "garden", Resident(name=f"住{number}", unit=f"1-1-10{number}"))
    parts.people.add(MANAGER, "garden", Resident(name="林晓梅", unit="2-101"))
    made = dict(Cards(parts.people, print_cards).print_all(MANAGER, "garden"))
    names = ["1-part1", "1-part2", "1-part3", "2"]
    assert list(made) == [f"cards-garden-{name}.pdf" for name in names]
    codes = [text for pdf in made.values() for text in codes_in(pdf, tmp_path)]
    assert len(codes) == len(set(codes)) == 6
