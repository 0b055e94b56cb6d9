"""What the tests of the office's pages begin with: the garden, and the court beside it that is not theirs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from community_flow.wiring.core import Core
from community_flow.wiring.registry import RegistryParts, registry_parts
from tests.factories import small_community


@pytest.fixture
def parts(flow: Core) -> RegistryParts:
    small_community(flow, "court")
    return registry_parts(flow)


@pytest.fixture
def manager(client_as: Callable[..., FlaskClient], parts: RegistryParts) -> FlaskClient:
    return client_as("manager", communities=["garden"])
