"""What a suite is: everything that the runner has to be told of the system under test.

A distribution offers one as an entry point of the group `caas_conformance.suites`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.contract_facts import ContractFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a platform of the run's own is started.

    The command writes the target file into the folder that it is given, says one line on standard
    output once every service answers, and ends with its services on SIGTERM. Services export to
    `OTEL_EXPORTER_OTLP_ENDPOINT`.

    Attributes:
        command: Gives the command line for a state folder.
        target_file: The name of the file in it that says where the services listen.
        environ: What the command's environment has beside the runner's own.
    """

    command: Callable[[Path], Sequence[str]]
    target_file: str = "stack.json"
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLine:
    """The one log line that a service writes about each request it answered.

    Attributes:
        message: Its text, by which it is known.
        method: The attribute that holds the request's method; so on.
        path: May show parameters as `{name}`, and nothing when no route was found.
        status: As it was sent.
    """

    message: str
    method: str
    path: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Phases and requirements, and how to reach what they judge.

    Attributes:
        name: For `--suite`, `run.json` and its baseline.
        title: What it judges, in a few words.
        phases: The import name of the package whose modules each bind `PHASE`.
        requirements: The registry, a TOML file.
        proofs: Which faults have shown that a breach of a requirement turns a case red, a TOML
            file; None when nobody tried.
        context: What its cases are given; a class of the suite's own may add to it.
        services: The `service.name` of each service that its cases need by name.
        secrets: What the runner must know to play a part of the system: the environment
            variable that holds it, and the member of a target's secrets file that does.
        health: The path that answers 200 on every service that is up.
        document: The path of each service's OpenAPI document, for its version and the contract
            check; empty for none.
        contract: What the services promise of every answer beyond their documents; None leaves
            answers unjudged by them.
        markers: The path whose request, with the trace state `caas=flush`, makes a service
            export what it has recorded, and after it one span and one log record named
            `caas.telemetry.marker`; empty when services do not do that, so that answers alone
            are judged.
        access: The log line that proves each answered request; None leaves it unproven.
        launch: How to start a platform; None when only one that runs already can be judged.
    """

    name: str
    title: str
    phases: str
    requirements: Traversable
    proofs: Traversable | None = None
    context: type[CaseContext] = CaseContext
    services: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    health: str = "/health"
    document: str = ""
    contract: ContractFacts | None = None
    markers: str = ""
    access: AccessLine | None = None
    launch: Launch | None = None
