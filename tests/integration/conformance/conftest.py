"""Scripted services, a suite made for the test, and runs over both."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from caas.stack.servers.embedded import free_port
from caas_conformance.authoring import AccessLine, ContractFacts, Suite
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.cli.progress import Quiet
from caas_conformance.engine.runner import Options
from caas_conformance.engine.targets import FoundTarget
from caas_conformance.plan.requirements import Registry
from caas_conformance.plan.suites import LoadedSuite
from caas_conformance.session.conduct import RunRequest, conduct
from caas_conformance.testing import ScriptedService
from caas_reports.figures import GateLimits
from caas_reports.model import Requirement, Run
from caas_reports.testing import whole

REGISTRY = Registry({"REQ-01": Requirement(id="REQ-01", text="keep it", source="design")})
SUITE = Suite(
    name="scripted",
    title="a scripted service",
    phases="none",
    requirements=Path(),
    secrets={"SCRIPTED_SECRET": "service_secret"},
    document="/documentation/json",
    markers="/health",
)
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]


@pytest.fixture
async def service() -> AsyncIterator[ScriptedService]:
    """A scripted auth service that exports its telemetry to a port of its own."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    async with ScriptedService("auth-service", otlp_endpoint=endpoint) as running:
        yield running


@pytest.fixture
def phase() -> Phase:
    """An empty phase to put cases into."""
    return Phase("Z01", "Made for the test", "Cases of one test.")


@pytest.fixture
def conducted(service: ScriptedService, phase: Phase, tmp_path: Path) -> Conduct:
    """Run the phase against the scripted service and return the run with its directory."""

    async def run(
        *,
        telemetry: bool = True,
        limits: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        context: type[CaseContext] = CaseContext,
        contract: ContractFacts | None = None,
        access: AccessLine | None = None,
    ) -> tuple[Run, Path]:
        request = RunRequest(
            suite=LoadedSuite(
                replace(SUITE, context=context, contract=contract, access=access), [phase], REGISTRY
            ),
            plan=phase.cases,
            options=Options(**({"inconclusive_max": 0} | (options or {}))),
            limits=GateLimits(telemetry=telemetry, **(limits or {})),
            runs=tmp_path / "runs",
            command="caas conformance run",
            target=FoundTarget(
                {service.name: service.url},
                "scripted",
                secrets={"SCRIPTED_SECRET": "the-service-secret-of-this-test"},
                otlp_endpoint=service.otlp_endpoint,
            ),
            telemetry=telemetry,
        )
        made, directory = await conduct(request, Quiet())
        return whole(made, directory), directory

    return run
