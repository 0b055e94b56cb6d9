"""The documents name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from community_flow.commands import COMMANDS
from community_flow.settings import Settings

ROOT = Path(__file__).parent.parent


def text(*names: str) -> str:
    return "\n".join((ROOT / name).read_text() for name in names)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in text("docs/operations.md"), f"docs/operations.md does not name the command {command}"


@pytest.mark.parametrize("setting", sorted(Settings.__dataclass_fields__))
def test_every_setting_is_documented(setting: str) -> None:
    assert f"`FLOW_{setting.upper()}`" in text("docs/operations.md")


def test_every_folder_is_on_the_map() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix() + "/"
        for top in ("community_flow", "sensors", "tests")
        for path in (ROOT / top).glob("**/__init__.py")
    }
    known = text("docs/map.md")
    missing = {folder for folder in folders if folder.count("/") <= 2 and f"`{folder}`" not in known}
    assert not missing - {"tests/"}, "docs/map.md has no line for these folders"


def test_readmes_name_files_that_exist() -> None:
    for readme in ("README.md", "README.zh-CN.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", text(readme)):
            assert (ROOT / target).exists(), f"{readme} points to {target}"


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(numbers) == len(set(numbers))


def test_locks_name_no_registry() -> None:
    locks = text("requirements.txt", "requirements-dev.txt", "requirements-node.txt", "package-lock.json")
    assert '"resolved"' not in locks
    assert "index-url" not in locks
