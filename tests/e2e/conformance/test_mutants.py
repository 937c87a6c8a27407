"""Who tests the harness: the platform is broken on purpose, and the runner has to say where.

Each mutant is one fault that a real change could bring. This file is also the program that
starts a broken platform: it patches the services' modules and then calls the command line;
the supervisor forks its services from that process, so they carry the fault.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytestmark = pytest.mark.e2e

RUN_TIMEOUT_S = 180
GREEN = 0
CHECK_FAILED = 1


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault, the cases that are run against it, and those that must turn red.

    Attributes:
        fault: What was broken, in words.
        apply: Breaks it, in the process that is to become the supervisor.
        phases: What is run: enough to hold cases that must stay green.
        red: Cases that must fail.
        by_contract: No case looks at it: the contract check alone must see it.
    """

    fault: str
    apply: Callable[[], None]
    phases: tuple[str, ...]
    red: frozenset[str]
    by_contract: bool = False


def part(path: str) -> Any:
    """Import the module or class `package.module:Class` that is to be broken."""
    module, _, name = path.partition(":")
    imported = import_module(module)
    return getattr(imported, name) if name else imported


def rewrite(service: str, method: str, path: str, change: Callable[[int, Any], Any]) -> None:
    """Make *service* send `change(status, body)` instead of its JSON answer to this route."""
    app = part(f"caas.{service}.app")
    create_app = app.create_app

    def broken_app() -> Any:
        whole = create_app()

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or (scope["method"], scope["path"]) != (method, path):
                await whole(scope, receive, send)
                return
            start: dict[str, Any] = {}
            body = b""

            async def rewriting_send(message: Any) -> None:
                nonlocal body
                if message["type"] == "http.response.start":
                    start.update(message)
                    return
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                status, answer = change(start["status"], msgspec.json.decode(body))
                rewritten = msgspec.json.encode(answer)
                headers = [h for h in start["headers"] if h[0] != b"content-length"]
                headers.append((b"content-length", b"%d" % len(rewritten)))
                await send({**start, "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": rewritten})

            # Without extensions every answer is sent by messages, which can be rewritten.
            await whole({**scope, "extensions": {}}, receive, rewriting_send)

        return serve

    app.create_app = broken_app


def status_changed() -> None:
    """Registration says 200 instead of 201."""
    path = "/api/v1/auth/client/register"
    rewrite("auth", "POST", path, lambda s, b: (200 if s == 201 else s, b))


def member_dropped() -> None:
    """The key check forgets the plan."""

    def without_plan(status: int, body: Any) -> Any:
        body.get("client", {}).pop("plan", None)
        return status, body

    rewrite("auth", "POST", "/api/v1/auth/internal/validate-api-key", without_plan)


def insides_shown() -> None:
    """The public check returns a member of the stored document."""

    def with_insides(status: int, body: Any) -> Any:
        if "session" in body:
            body["session"]["_id"] = "699e069dfadf2fa6c365be3a"
        return status, body

    rewrite("auth", "POST", "/api/v1/auth/validate", with_insides)


def tenant_check_removed() -> None:
    """A named key is found whoever asks."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")

    async def find(self: Any, _tenant_id: str, key_id: str) -> Any:
        return await self._find({"_id": key_id})

    store.find = find


def log_without_trace() -> None:
    """Log records leave without the ids that join them to their request."""
    record = part("opentelemetry._logs:LogRecord")
    made = record.__init__

    def without_ids(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.trace_id = self.span_id = 0

    record.__init__ = without_ids


def revocation_ignored() -> None:
    """An ended session's token is still taken."""
    log = part("caas.runtime.identity.revocation:RevocationLog")

    log.is_revoked = lambda _self, _session_id: False


def reuse_accepted() -> None:
    """An old refresh token is taken for the newest."""
    presented = part("caas.auth.domain.sessions:Presented")
    sdk_sessions = part("caas.auth.service.sessions.sdk")

    sdk_sessions.judge = lambda *_, **__: presented.JUST_REPLACED


def signature_unchecked() -> None:
    """Tokens are believed without a look at their signature."""
    algorithm = part("jwt.algorithms:OKPAlgorithm")

    algorithm.verify = lambda *_: True


def whitelist_ignored() -> None:
    """A key may be used from anywhere, whatever its owner listed."""
    key_check = part("caas.auth.service.keys.check")

    key_check.address_allowed = lambda *_: True


def duplicates_stored() -> None:
    """Nothing in the database keeps an e-mail address from registering twice."""
    index_model = part("pymongo:IndexModel")
    document = part("caas.auth.store.documents:ClientDocument")

    document.Settings.indexes = [index_model("email_key")]


def crash_on_unknown_key() -> None:
    """A key that was never issued is a 500."""
    store = part("caas.auth.store.clients:MongoClientStore")

    async def by_key_digest(_self: Any, digest: str) -> Any:
        raise KeyError(digest)

    store.by_key_digest = by_key_digest


def trace_lost() -> None:
    """The gateway does not hand its trace on."""
    client = part("caas.runtime.calls.client.client")

    client._Call.add_context = lambda _self: None


def header_missing() -> None:
    """Answers come without `x-content-type-options`."""
    headers = part("caas.runtime.http.edge.headers")
    fewer = tuple(h for h in headers.SECURITY_HEADERS if h[0] != b"x-content-type-options")
    headers.SECURITY_HEADERS = fewer


def unlimited() -> None:
    """Nobody is ever over the limit."""
    decision = part("caas.runtime.ratelimit:Decision")

    decision.allowed = property(lambda _self: True)


def secret_logged() -> None:
    """Registration tells its log the password, in words that no rule of redaction knows."""
    accounts = part("caas.auth.service.accounts:Accounts")
    log = part("caas_observability.setup.logs").get_logger("caas.auth")
    register = accounts.register

    async def talkative(self: Any, **account: Any) -> Any:
        log.info(f"somebody registers with {account['password']}")  # noqa: G004 - the fault
        return await register(self, **account)

    accounts.register = talkative


def correlation_lost() -> None:
    """Refusals come without the id that finds them in the logs."""
    reply = part("caas.runtime.http.edge.reply:Reply")
    base = reply._base

    def nameless(self: Any) -> Any:
        fields = base(self)
        return fields if self.status < 400 else [f for f in fields if f[0] != b"x-correlation-id"]

    reply._base = nameless


def storage_id_shown() -> None:
    """A new account's answer has a member that no document names."""
    path = "/api/v1/auth/client/register"
    rewrite("auth", "POST", path, lambda s, b: (s, b | {"_id": "699e069dfadf2fa6c365be3a"}))


def time_of_another_format() -> None:
    """A profile's times are of no format that clients read."""

    def with_blank(status: int, body: Any) -> Any:
        if "created_at" in body:
            body["created_at"] = body["created_at"].replace("T", " ")
        return status, body

    rewrite("auth", "GET", "/api/v1/users/profile", with_blank)


MUTANTS = {
    m.apply.__name__: m
    for m in (
        Mutant("a status changed", status_changed, ("S02",), frozenset({"S02.01"})),
        Mutant("a body member dropped", member_dropped, ("S04",), frozenset({"S04.01"})),
        Mutant("an internal member shown", insides_shown, ("S06",), frozenset({"S06.02"})),
        Mutant("a tenant check removed", tenant_check_removed, ("X01",), frozenset({"X01.03"})),
        Mutant("logs without trace ids", log_without_trace, ("X07",), frozenset({"X07.06"})),
        Mutant("revocations ignored", revocation_ignored, ("S16",), frozenset({"S16.03"})),
        Mutant("refresh reuse accepted", reuse_accepted, ("S07",), frozenset({"S07.04"})),
        Mutant("signatures unchecked", signature_unchecked, ("X02",), frozenset({"X02.07"})),
        Mutant("whitelists ignored", whitelist_ignored, ("S12",), frozenset({"S12.03"})),
        Mutant("duplicates stored", duplicates_stored, ("S02",), frozenset({"S02.05"})),
        Mutant("a crash on bad input", crash_on_unknown_key, ("S04",), frozenset({"S04.04"})),
        Mutant("the trace lost on the way", trace_lost, ("X07",), frozenset({"X07.05"})),
        Mutant("a security header missing", header_missing, ("X05",), frozenset({"X05.06"})),
        Mutant("no rate limit", unlimited, ("S08",), frozenset({"S08.46"})),
        Mutant("a secret in the log", secret_logged, ("S02",), frozenset({"S02.01"})),
        Mutant(
            "no correlation id on refusals",
            correlation_lost,
            ("S04",),
            frozenset({"S04.30"}),
            by_contract=True,
        ),
        Mutant(
            "an undocumented member",
            storage_id_shown,
            ("S01", "S03"),
            frozenset({"S03.01"}),
            by_contract=True,
        ),
        Mutant(
            "a time of another format",
            time_of_another_format,
            ("S01", "S13"),
            frozenset({"S13.01"}),
        ),
    )
}


@contextmanager
def platform(mutant: str, directory: Path, endpoint: str) -> Iterator[Path]:
    """Run the platform with *mutant*'s fault until the block ends; give its stack file."""
    state = ["--state-dir", str(directory)]
    command = [sys.executable, __file__, mutant]
    env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    # One case sends requests until it is refused; a low limit keeps its evidence small.
    env["CAAS_GATEWAY_LIMIT_FREE_REQUESTS"] = "150"
    subprocess.run(
        [*command, "up", "--ports", "auto", "--detach", "--ephemeral", *state],
        env=env,
        check=True,
        timeout=RUN_TIMEOUT_S,
        capture_output=True,
    )
    try:
        yield directory / "stack.json"
    finally:
        subprocess.run([*command, "down", *state], env=env, check=True, timeout=RUN_TIMEOUT_S)


def verdicts(mutant: str, phases: tuple[str, ...], tmp_path: Path, port: int) -> tuple[int, Any]:
    """Run *phases* against the broken platform; return the exit code and `run.json`."""
    with platform(mutant, tmp_path / "stack", f"http://127.0.0.1:{port}") as stack:
        state = tmp_path / "runs"
        chosen = [word for phase in phases for word in ("--phase", phase)]
        command = [sys.executable, "-m", "caas.cli", "conformance", "run", *chosen, "--json"]
        command += ["--target", str(stack), "--otlp-listen", f"127.0.0.1:{port}"]
        done = subprocess.run(
            [*command, "--state-dir", str(state)],
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    report = state / "runs" / "latest" / "run.json"
    assert report.exists(), done.stderr
    return done.returncode, msgspec.json.decode(report.read_bytes())


def red(run: Any) -> set[str]:
    """Return the ids of the cases that are not green."""
    return {case["id"] for case in run["cases"] if case["verdict"] not in {"passed", "warning"}}


def failed_checks(run: Any) -> list[str]:
    """Return the ids of the checks that failed, of every case."""
    attempts = [attempt for case in run["cases"] for attempt in case["attempts"]]
    checks = [check for attempt in attempts for check in attempt["checks"]]
    return [check["id"] for check in checks if check["verdict"] == "failed"]


@pytest.mark.parametrize("name", MUTANTS)
def test_the_runner_names_what_is_broken(name: str, tmp_path: Path, free_port: int) -> None:
    """A fault turns its own case red, and not the whole suite."""
    mutant = MUTANTS[name]

    code, run = verdicts(name, mutant.phases, tmp_path, free_port)

    assert code == CHECK_FAILED
    assert run["verdict"] == "failed"
    assert mutant.red <= red(run), f"{mutant.fault}: {sorted(red(run))}"
    if mutant.by_contract:
        assert all(check.startswith("contract-") for check in failed_checks(run))
    if mutant.phases != ("X07",):  # telemetry's own phase may lose every case
        assert len(red(run)) < len(run["cases"])


def test_the_same_cases_are_green_when_nothing_is_broken(tmp_path: Path, free_port: int) -> None:
    """The control: red above is the fault's doing, not the set-up's."""
    phases = tuple(sorted({phase for mutant in MUTANTS.values() for phase in mutant.phases}))

    code, run = verdicts("nothing", phases, tmp_path, free_port)

    assert (code, red(run)) == (GREEN, set())


if __name__ == "__main__":
    if sys.argv[1] != "nothing":
        MUTANTS[sys.argv[1]].apply()
    from caas.cli.main import main

    sys.argv = ["caas", *sys.argv[2:]]
    main()
