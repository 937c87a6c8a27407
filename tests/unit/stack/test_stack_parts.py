"""The parts of the supervisor that need no process."""

import asyncio
import os
import socket
import types
from pathlib import Path
from typing import Any

import pytest

from caas.contracts.services import ServiceSpec
from caas.runtime.http.lifespan import Lifespan, LifespanError
from caas.stack import discovery, ports
from caas.stack.assembly import StackOptions, environment_of, open_instances
from caas.stack.errors import PortTakenError, StackError
from caas.stack.servers.given import without_credentials
from caas.stack.state.secrets import StackSecrets
from caas.stack.supervisor.backoff import DELAY_MAX_S, FIRST_DELAY_S, STABLE_AFTER_S, Backoff
from caas.stack.supervisor.events import (
    EventSender,
    Failed,
    Notice,
    StackEvent,
    StepDone,
    read_events,
)
from caas.stack.supervisor.watching import how_ended


def spec(name: str = "echo", **more: Any) -> ServiceSpec:
    """Return a spec; only what matters is said."""
    fields: dict[str, Any] = {
        "name": name,
        "app": "caas.testing.stack.echo_service:create_app",
        "seed_port": 3000,
        "profiles": ("caas",),
        "url_env": f"CAAS_{name.upper()}_URL",
    }
    return ServiceSpec(**{**fields, **more})


def options(**more: Any) -> StackOptions:
    """Return options for free ports."""
    fields: dict[str, Any] = {
        "profile": "caas",
        "ports": "auto",
        "state_dir": Path("/nowhere"),
        "ephemeral": False,
        "environ": {},
    }
    return StackOptions(**{**fields, **more})


def test_backoff_doubles_to_a_limit_and_forgets_after_a_quiet_time() -> None:
    """A service that dies at once must not keep a core busy; one that lived long starts soon."""
    backoff = Backoff()
    delays = [backoff.next_delay_s(uptime_s=0) for _ in range(9)]

    assert delays[:4] == [FIRST_DELAY_S * factor for factor in (1, 2, 4, 8)]
    assert delays[-1] == DELAY_MAX_S
    assert backoff.next_delay_s(uptime_s=STABLE_AFTER_S) == FIRST_DELAY_S


def test_taken_port_names_its_holder() -> None:
    """This very process, here."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            ports.listen(port, "gateway")

    assert f"port {port} for gateway is taken by pid {os.getpid()} (" in str(caught.value)
    assert "--ports auto" in str(caught.value)


def test_port_taken_on_every_address_counts_as_taken() -> None:
    """A server on 0.0.0.0 would share it silently if we allowed reuse."""
    with socket.create_server(("0.0.0.0", 0)) as holder, pytest.raises(PortTakenError):  # noqa: S104
        ports.listen(holder.getsockname()[1], "gateway")


def test_failed_opening_frees_the_ports_before_it() -> None:
    """Half a set of ports is of no use to anybody."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        with socket.create_server(("127.0.0.1", 0)) as freed:
            free = freed.getsockname()[1]
        specs = [spec("first", seed_port=free), spec("second", seed_port=taken)]
        with pytest.raises(PortTakenError):
            open_instances(specs, options(ports="seed"))

    ports.listen(free, "someone").close()


def test_front_doors_come_last_and_instances_are_numbered() -> None:
    """Who takes traffic for others starts when they are there."""
    specs = [spec("gate", front_door=True), spec("socket", instances=2)]
    opened = open_instances(specs, options())
    for each in opened:
        each.listener.close()

    assert [each.name for each in opened] == ["socket-1", "socket-2", "gate"]


def test_assistant_profile_has_its_own_documented_ports() -> None:
    """Its guide's script calls 3000 to 3002."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    wanted = spec(seed_port=1, assistant_port=free)
    (opened,) = open_instances([wanted], options(ports="seed", profile="assistant"))
    url = opened.url
    opened.listener.close()

    assert url == f"http://127.0.0.1:{free}"


def test_environment_announces_every_service_and_only_entitled_secrets() -> None:
    """An inherited secret is no way around the spec."""
    specs = [spec("auth"), spec("socket", instances=2, secrets=("service_secret",))]
    opened = open_instances(specs, options())
    urls = {each.name: each.url for each in opened}
    secrets = StackSecrets(service_secret="s", key_pepper="p")
    environ = {"CAAS_KEY_PEPPER": "inherited", "CAAS_ENVIRONMENT": "production", "OTHER": "x"}
    found = environment_of(
        opened[1],
        options=options(environ=environ),
        instances=opened,
        server_urls={"REDIS_URL": "redis://x"},
        secrets=secrets,
    )
    for each in opened:
        each.listener.close()

    assert found == {
        "CAAS_ENVIRONMENT": "production",
        "OTHER": "x",
        "REDIS_URL": "redis://x",
        "CAAS_AUTH_URL": urls["auth"],
        "CAAS_SOCKET_URL": urls["socket-1"],
        "CAAS_SOCKET_URL_1": urls["socket-1"],
        "CAAS_SOCKET_URL_2": urls["socket-2"],
        "CAAS_SOCKET_INSTANCES": "2",
        "CAAS_SERVICE_SECRET": "s",
        "OTEL_SERVICE_NAME": "socket",
    }


def test_further_instances_call_each_other_by_number() -> None:
    """So that each of them is used, though nothing shares the calls out."""
    specs = [spec("auth"), spec("gate", front_door=True)]
    opened = open_instances(specs, options(instances=2))
    urls = {each.name: each.url for each in opened}
    secrets = StackSecrets(service_secret="s", key_pepper="p")
    seen = [
        environment_of(each, options=options(), instances=opened, server_urls={}, secrets=secrets)[
            "CAAS_AUTH_URL"
        ]
        for each in opened
        if each.spec.front_door
    ]
    for each in opened:
        each.listener.close()

    assert [each.name for each in opened] == ["auth-1", "auth-2", "gate-1", "gate-2"]
    assert seen == [urls["auth-1"], urls["auth-2"]]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://user:p%40ss@h1:1,h2:2/?replicaSet=rs", "mongodb://h1:1,h2:2/"),
        ("redis://:secret@h:1/0", "redis://h:1/0"),
        ("http://h:1/v1?key=secret", "http://h:1/v1"),
    ],
)
def test_urls_are_shown_without_credentials(url: str, shown: str) -> None:
    """Options may hold some too."""
    assert without_credentials(url) == shown


def test_services_are_found_by_what_they_declare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new service is a new folder, nothing else."""
    declared = {"late": spec("late", seed_port=3010), "early": spec("early"), "other": None}
    monkeypatch.setattr(discovery, "_package_names", lambda: list(declared))
    monkeypatch.setattr(discovery, "_declared", declared.get)

    assert [each.name for each in discovery.find_services("caas")] == ["early", "late"]
    with pytest.raises(StackError, match="no service belongs to the profile 'assistant'"):
        discovery.find_services("assistant")


def test_broken_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that shows where."""

    def fail(_name: str) -> types.ModuleType:
        raise ZeroDivisionError("at import")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(StackError, match=r"echo cannot be loaded .*ZeroDivisionError: at import"):
        discovery.load_app(spec())


def test_events_survive_any_cut_of_the_pipe() -> None:
    """A pipe has no lines."""
    reader, writer = os.pipe()
    sender = EventSender(writer)
    sent: list[StackEvent] = [
        StepDone(name="import", elapsed_ms=4),
        Notice(level="info", message="a\nb"),
        Failed("x"),
    ]
    for event in sent:
        assert sender.send(event)
    sender.close()

    assert list(read_events(reader)) == sent
    assert not sender.send(sent[0])
    os.close(reader)


def test_sending_to_nobody_is_no_error() -> None:
    """A detached command leaves; its supervisor stays."""
    reader, writer = os.pipe()
    os.close(reader)
    sender = EventSender(writer)

    assert not sender.send(Failed("x"))
    assert not sender.send(Failed("x"))


def test_ends_are_told_in_words() -> None:
    """A signal's name says more than its number."""
    assert how_ended(-9) == "was ended by SIGKILL"
    assert how_ended(3) == "exited with 3"


class Application:
    """An ASGI application that goes through its lifespan as told."""

    def __init__(self, *, says: str = "complete", raises: Exception | None = None) -> None:
        self.says = says
        self.raises = raises
        self.phases: list[str] = []

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Answer start-up and shutdown."""
        while len(self.phases) < 2:
            message = await receive()
            self.phases.append(message["type"])
            if self.says:
                await send({"type": f"{message['type']}.{self.says}", "message": "no database"})
            if self.raises:
                raise self.raises
            if self.says == "failed":
                return


@pytest.mark.anyio
async def test_lifespan_runs_start_and_shutdown() -> None:
    """In one call of the application, as the specification has it."""
    app = Application()
    lifespan = Lifespan(app)
    await lifespan.startup()
    assert app.phases == ["lifespan.startup"]

    await lifespan.shutdown()
    assert app.phases == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("app", "error"),
    [
        (Application(says="failed"), LifespanError("no database")),
        (Application(says="failed", raises=OSError("refused")), OSError("refused")),
        (Application(says="", raises=OSError("refused")), OSError("refused")),
    ],
    ids=["said", "said-and-raised", "raised"],
)
async def test_failed_start_raises_its_reason(app: Application, error: Exception) -> None:
    """Serving on without a database would be worse than not starting."""
    with pytest.raises(type(error), match=str(error)):
        await Lifespan(app).startup()


@pytest.mark.anyio
async def test_application_that_leaves_early_failed() -> None:
    """Every service here takes part in the protocol."""

    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(0)

    with pytest.raises(LifespanError, match="left before its startup"):
        await Lifespan(silent).startup()
