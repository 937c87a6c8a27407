"""Evidence, checks and contexts without a platform."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from caas_conformance.authoring.checks import MUST, Check
from caas_conformance.authoring.context import CaseContext, Environment
from caas_conformance.wire.answer import Answer, ExchangeRecord
from caas_conformance.wire.trace_context import AttemptTrace


@pytest.fixture
def answer() -> Callable[..., Answer]:
    """Make an answer as if a service had sent it."""

    def make(body: Any = None, status: int | None = 200, **headers: str) -> Answer:
        record = ExchangeRecord("x1", protocol="http", service="auth", method="GET", url="/")
        made = Answer(record)
        made.status = status
        made.headers = [(name.replace("_", "-"), value) for name, value in headers.items()]
        made.content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return made

    return make


@pytest.fixture
def check() -> Check:
    """An open check of level MUST."""
    return Check(
        "claim",
        "a claim",
        level=MUST,
        requirements=(),
        step=None,
        go_on=False,
        on_close=lambda _: None,
    )


@pytest.fixture
def context() -> CaseContext:
    """A case's context with no platform behind it."""
    return CaseContext(Environment({}), AttemptTrace("run", "Z01.01", 1), ("REQ-01",))
