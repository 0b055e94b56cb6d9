"""Continuous integration: a skipped test is a failed one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

INNER = """
import pytest
@pytest.mark.skipif(True, reason="apt-get install poppler-utils")
def test_by_mark(): pass
def test_by_call(): pytest.skip("web/vendor is empty")
def test_shared(): pytest.skip("FLOW_SHARED_DATA is not here")
def test_good(): pass
"""


FAILING, SKIPPING = "1 failed, 1 passed, 1 skipped, 1 error", "1 passed, 3 skipped"


@pytest.mark.parametrize(
    ("required", "workers", "outcome"), [("1", "0", FAILING), ("1", "2", FAILING), ("", "2", SKIPPING)]
)
def test_what_is_skipped_fails_where_everything_is_required(
    tmp_path: Path, required: str, workers: str, outcome: str
) -> None:
    (tmp_path / "test_inner.py").write_text(INNER)
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**mine, "FLOW_TEST_ALL_SERVICES": required, "CI": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-n", workers,
         str(tmp_path)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert outcome in done.stdout, done.stdout + done.stderr
