"""Printing for everybody: how far it is, and a file that is whole."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role
from tests.browser.gate_world import MANAGER, World, chromium, soon
from tests.browser.walk import sign_in
from tests.factories import an_account

pytestmark = pytest.mark.browser


def test_a_print_of_hundreds_says_how_far_it_is_and_arrives_whole(
    gate_world: World, chromium_path: str, tmp_path: Path
) -> None:
    people = [
        Resident(name=f"住户{number}", unit=f"{number // 301 + 1}-1-{number % 301 + 101}") for number in range(602)
    ]
    with gate_world.core.db.write() as tx:
        gate_world.parts.people.add_in(tx, MANAGER, "garden", people)
    link = gate_world.core.accounts.make_link(an_account(gate_world.core, Role.MANAGER).account, "test")
    with chromium(chromium_path) as context:
        page: Any = context.new_page()
        sign_in(page, gate_world.server.url, link)
        page.goto(f"{gate_world.server.url}/people/cards")
        page.evaluate(
            """() => { window.said = []; const words = document.querySelector("#cards-progress [role=status]");
            new MutationObserver(() => said.push(words.textContent)).observe(words, { childList: true }); }"""
        )
        with page.expect_download(timeout=250_000) as waiting:
            page.click("form[data-cards] button[type=submit]")
        path = tmp_path / "cards.zip"
        waiting.value.save_as(path)
        soon(page, "document.querySelector('#cards-progress').textContent.includes('All files')")
        said = page.evaluate("window.said")
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        assert [re.sub(r"\D", "", name) for name in packed.namelist()] == ["1", "2"]
    assert "1 of 2 files are there" in said
    assert said.index("1 of 2 files are there") < said.index("2 of 2 files are there")
