"""What the tests of blind sessions share; the makers are in `helpers`."""

import pytest

from engine.adapters.store import Adapter
from engine.blind.schema import BlindSession
from tests.engine.blind.helpers import make_adapter, make_session


@pytest.fixture
def polite(studio_home) -> Adapter:
    """The new adapter."""
    return make_adapter("polite")


@pytest.fixture
def blind(polite) -> BlindSession:
    """Six prompts to vote on."""
    return make_session()
