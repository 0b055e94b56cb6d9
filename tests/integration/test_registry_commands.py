"""`people import` and `passes cards`, as an admin types them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from community_flow.commands import main
from community_flow.wiring.core import Core
from tests.factories import small_community

FILE = "姓名,电话,地址\n林晓梅,13800138000,1-1-101\n王五,,7-3-1102\n坏的,1.38E+10,1-1-102\n"


@pytest.fixture
def folder(sqlite_core: Core, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    small_community(sqlite_core)
    monkeypatch.setenv("FLOW_DATA_DIR", str(sqlite_core.settings.data_dir))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_a_list_is_kept_once_and_its_errors_come_back(folder: Path) -> None:
    path, errors = folder / "people.csv", folder / "errors.csv"
    path.write_bytes(FILE.encode("gb18030"))
    dry = run("people", "import", str(path), "--dry-run")
    assert "3 rows = 2 new" in dry.output
    done = run("people", "import", str(path), "--errors", str(errors))
    assert done.exit_code == 0, done.output
    assert "3 rows = 2 new" in done.output
    assert "row 4: The spreadsheet rounded this number (1.38E+10)" in done.output
    assert "坏的" in errors.read_text("utf-8-sig")
    assert "2 known" in run("people", "import", str(path)).output


def test_cards_of_everybody_and_of_one_building(folder: Path) -> None:
    path = folder / "people.csv"
    path.write_text(FILE)
    run("people", "import", str(path))
    for name, more in (("all.pdf", ()), ("seven.pdf", ("--building", "7")), ("cr80.pdf", ("--paper", "cr80"))):
        out = folder / name
        done = run("passes", "cards", "--out", str(out), *more)
        assert done.exit_code == 0, done.output
        assert out.read_bytes().startswith(b"%PDF")


def test_what_is_wrong_is_one_sentence(folder: Path) -> None:
    empty = folder / "empty.csv"
    empty.touch()
    for arguments, said in (
        (("people", "import", str(empty)), "The file is empty"),
        (("people", "import", str(empty), "--community", "nowhere"), "There are: garden"),
        (("passes", "cards", "--out", str(folder / "x.pdf")), "add people first"),
        (("people", "import", str(folder / "missing.csv")), "does not exist"),
    ):
        refused = run(*arguments)
        assert refused.exit_code != 0
        assert said in refused.output
        assert "Traceback" not in refused.output


@pytest.mark.parametrize("command", [("token", "create"), ("user", "add", "somebody")])
def test_no_account_is_made_for_a_place_that_does_not_exist(folder: Path, command: tuple[str, ...]) -> None:
    for option, name in (("--community", "gardn"), ("--area", "nowhere")):
        done = run(*command, "--role", "official", option, name)
        assert done.exit_code == 1
        assert f"called {name}: choose one of" in done.output
    assert run(*command, "--role", "steward", "--community", "garden").exit_code == 0


def test_a_card_key_is_announced_for_a_day_and_the_renewal_is_in_the_log(folder: Path, sqlite_core: Core) -> None:
    done = run("keys", "rotate", "card")
    assert done.exit_code == 0, done.output
    assert "card key 2 is used from" in done.output
    lines = {tuple(line.split()[:2]): line.split()[-1] for line in run("keys", "list").output.splitlines()}
    assert lines["card", "1"] == "use"
    assert lines["card", "2"] == "announced"
    assert run("keys", "rotate", "ingest").exit_code == 0
    lines = {tuple(line.split()[:2]): line.split()[-1] for line in run("keys", "list").output.splitlines()}
    assert (lines["ingest", "1"], lines["ingest", "2"]) == ("kept", "use")
    assert run("keys", "rotate", "table").exit_code == 2
    with sqlite_core.db.read() as tx:
        rows = sqlite_core.audit.store.rows(tx, 0, 1000)
    assert [row.detail["name"] for row in rows if row.action == "key.rotate"] == ["card", "ingest"]
    assert run("audit", "verify").exit_code == 0
