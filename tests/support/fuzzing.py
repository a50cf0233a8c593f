"""How hard a parser is fuzzed: 500 examples at every run, ``BEM_FUZZ_EXAMPLES`` in the long run.

@fuzz
@given(binary())
def test_whatever_comes(data: bytes) -> None: ...
"""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import settings

Test = TypeVar("Test", bound=Callable[..., None])

EXAMPLES = int(os.environ.get("BEM_FUZZ_EXAMPLES", "500"))
SECONDS_PER_EXAMPLE = 0.1
LEAST_TIMEOUT_S = 120

settings.register_profile("fuzz", settings.get_profile("bem"), max_examples=EXAMPLES)


def fuzz(test: Test) -> Test:
    """Run a hypothesis test with as many examples as asked for, and the time they take."""
    patient = pytest.mark.timeout(max(LEAST_TIMEOUT_S, EXAMPLES * SECONDS_PER_EXAMPLE))
    marked: Test = pytest.mark.fuzz(patient(settings(settings.get_profile("fuzz"))(test)))
    return marked
