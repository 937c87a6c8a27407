"""Each law of the platform as a whole turns red on a fault that no example was written for.

The platform is the run's own, as in `make conformance`: two instances of each service, reachable
limits. The faults get into it by a `sitecustomize` of its processes; see `test_mutants` for what
a mutant is.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytestmark = pytest.mark.e2e

RUN_TIMEOUT_S = 240
CHECK_FAILED = 1
MUTANT = "LAW_MUTANT"
HOOK = f"""
import os, runpy, sys
if "up" in sys.orig_argv and os.environ.get({MUTANT!r}):
    runpy.run_path({__file__!r})["apply"](os.environ[{MUTANT!r}])
"""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault, the case that is run against it, and one that must stay green."""

    apply: Callable[[], None]
    case: str
    green: str = "S01.01"

    @property
    def red(self) -> frozenset[str]:
        """The cases that must turn red, as the list of proofs has them."""
        return frozenset({self.case})


def part(path: str) -> Any:
    """Import the module or class `package.module:Class` that is to be broken."""
    module, _, name = path.partition(":")
    imported = import_module(module)
    return getattr(imported, name) if name else imported


def is_second() -> bool:
    """Tell whether this process is a second instance."""
    return os.environ.get("CAAS_AUTH_URL") == os.environ.get("CAAS_AUTH_URL_2", "none")


def limit_for_each_instance() -> None:
    """Each gateway counts for itself."""
    limiter = part("caas.runtime.ratelimit:RateLimiter")
    take, acquire = limiter.take, limiter.acquire
    limiter.take = lambda self, who, limit: take(self, f"{os.getpid()}{who}", limit)
    limiter.acquire = lambda self, who, limit: acquire(self, f"{os.getpid()}{who}", limit)


def reset_as_a_date() -> None:
    """The reset is a moment, and not a time to wait."""
    part("caas.runtime.ratelimit:Decision").reset_s = property(lambda _: 1_800_000_000)


def revocation_unheard_by_one() -> None:
    """The second instance of each service never hears of an ended session."""
    log = part("caas.runtime.identity.revocation:RevocationLog")
    is_revoked = log.is_revoked
    log.is_revoked = lambda self, s: False if is_second() else is_revoked(self, s)


def unsampled_unchecked() -> None:
    """Permissions are checked when the request is recorded."""
    principal = part("caas.gateway.domain:Principal")
    context = part("caas_observability.setup.context")
    require = principal.require

    def careless(self: Any, permission: str) -> None:
        if getattr(context.current_scope(), "sampled", True):
            require(self, permission)

    principal.require = careless


def addresses_by_case() -> None:
    """Two spellings of an e-mail address are two accounts."""
    for module in ("caas.auth.domain.clients", "caas.auth.service.accounts"):
        part(module).email_key_of = lambda email: email


def mapped_addresses_apart() -> None:
    """An IPv4 address within IPv6 is another one."""
    ipaddress = part("ipaddress")
    for module in ("caas.auth.domain.whitelists", "caas.auth.service.keys.check"):
        part(module).parse_address = lambda text, **_: ipaddress.ip_address(text)


def origins_as_text() -> None:
    """Origins are compared byte by byte."""
    for module in ("caas.auth.domain.whitelists", "caas.auth.service.keys.check"):
        part(module).origin_allowed = lambda origin, known: not known or origin in known


def ids_in_order() -> None:
    """Named keys are numbered."""
    numbers = iter(range(1, 1_000_000))
    part("caas.auth.service.keys.named").new_id = lambda: (
        f"00000000-0000-4000-8000-{os.getpid() % 10_000:04d}{next(numbers):08d}"
    )


def times_of_yesterday() -> None:
    """Keys are said to be made a day before."""
    internal = part("caas.auth.schemas.internal")
    rfc3339 = internal.rfc3339
    internal.rfc3339 = lambda ms: rfc3339(ms - 86_400_000)


def use_unnoticed() -> None:
    """The use of a key is written down nowhere."""

    async def record(_self: Any, _uses: Any) -> None:
        return

    part("caas.auth.store.keys:MongoKeyUseStore").record = record


def users_counted_once_more() -> None:
    """Usage counts a user too many once there are two sessions."""
    tenants = part("caas.auth.service.tenants:Tenants")
    usage = tenants.usage

    async def generous(self: Any, tenant_id: str) -> Any:
        found = await usage(self, tenant_id)
        found_more = found.active_sessions + (1 if found.users > 1 else 0)
        return type(found)(**{**_fields(found), "active_sessions": found_more})

    tenants.usage = generous


def _fields(value: Any) -> dict[str, Any]:
    names = getattr(value, "__struct_fields__", None) or value.__dataclass_fields__
    return {name: getattr(value, name) for name in names}


def uptime_stands() -> None:
    """Uptime is that of the start."""
    part("caas.runtime.http.health:Health").uptime_s = lambda _: 12.5


def status_misrecorded() -> None:
    """Spans say 200, whatever was answered."""
    layer = part("caas.runtime.http.edge.layer")
    describe = layer.describe_answer
    layer.describe_answer = lambda span, verb, request, _: describe(span, verb, request, 200)


def user_agent_recorded() -> None:
    """Spans have the client's own words."""
    layer = part("caas.runtime.http.edge.layer")
    describe = layer.describe_connection

    def talkative(scope: Any) -> Any:
        agent = dict(scope["headers"]).get(b"user-agent", b"").decode()
        return {**describe(scope), "user_agent.original": agent}

    layer.describe_connection = talkative


def database_unseen() -> None:
    """Calls to MongoDB leave no span."""
    mongo = part("caas.runtime.data.mongo")
    service = part("caas.runtime.service")
    open_mongo = mongo.open_mongo
    service.open_mongo = lambda uri, *, app_name, **_: open_mongo(
        uri, app_name=app_name, traced=False
    )


def issuer_unchecked() -> None:
    """Any issuer will do."""
    part("caas.runtime.identity.jwt_policy:ClaimsReader")._validate_iss = lambda *_, **__: None


def not_before_unchecked() -> None:
    """A token is good before its time."""
    part("caas.runtime.identity.jwt_policy:ClaimsReader")._validate_nbf = lambda *_, **__: None


def secrets_for_all() -> None:
    """The secrets file can be read by everybody."""
    secrets = part("caas.stack.state.secrets")
    write_private = secrets.write_private

    def write(path: Path, content: bytes) -> None:
        write_private(path, content)
        path.chmod(0o644)

    secrets.write_private = write


def answers_kept_for_a_minute() -> None:
    """A stored answer is gone after a minute."""
    part("caas.runtime.http.idempotency").ANSWER_KEPT_S = 60


def every_origin_granted() -> None:
    """Whoever asks is reflected."""
    cors = part("caas.runtime.http.edge.cors")
    cors.CorsPolicy.fields = lambda _, origin: [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def always_ready() -> None:
    """Readiness asks nobody."""

    async def fine(_probe: Any) -> None:
        return

    health = part("caas.runtime.http.health")
    check = health._probe

    async def up(_probe: Any) -> Any:
        return await check(lambda: fine(None))

    health._probe = up


def outage_is_an_error() -> None:
    """An unreachable database is a bug of ours."""
    for module in ("caas.runtime.data.outages", "caas.runtime.http.problems"):
        part(module).outage_of = lambda _: None


def dead_stay_dead() -> None:
    """Who dies is not started again."""
    part("caas.stack.supervisor.backoff:Backoff").next_delay_s = lambda _, **__: 1_000_000.0


def refusals_uncounted() -> None:
    """Metrics count what went well."""
    metrics = part("caas_observability.setup.metrics").http_server
    record = type(metrics).record

    def partial_record(self: Any, verb: str, route: str, status: int, seconds: float) -> None:
        if status < 400:
            record(self, verb, route, status, seconds)

    type(metrics).record = partial_record


def usage_is_slow() -> None:
    """Counting takes half a second."""
    tenants = part("caas.auth.service.tenants:Tenants")
    asyncio = part("asyncio")
    usage = tenants.usage

    async def slow(self: Any, tenant_id: str) -> Any:
        await asyncio.sleep(0.5)
        return await usage(self, tenant_id)

    tenants.usage = slow


MUTANTS = {
    m.apply.__name__: m
    for m in (
        Mutant(limit_for_each_instance, "L08.G01"),
        Mutant(reset_as_a_date, "L08.G01"),
        Mutant(revocation_unheard_by_one, "L04.G10"),
        Mutant(unsampled_unchecked, "L09.G04"),
        Mutant(addresses_by_case, "L10.G01"),
        Mutant(mapped_addresses_apart, "L10.A02"),
        Mutant(origins_as_text, "L10.A05"),
        Mutant(ids_in_order, "L11.G05"),
        Mutant(times_of_yesterday, "L11.G05"),
        Mutant(use_unnoticed, "L11.G706"),
        Mutant(users_counted_once_more, "L11.G602"),
        Mutant(uptime_stands, "L11.A00"),
        Mutant(status_misrecorded, "L12.G00"),
        Mutant(database_unseen, "L12.A01"),
        Mutant(user_agent_recorded, "L12.G02"),
        Mutant(issuer_unchecked, "X08.01"),
        Mutant(not_before_unchecked, "X08.01"),
        Mutant(secrets_for_all, "X08.03"),
        Mutant(answers_kept_for_a_minute, "X08.04"),
        Mutant(every_origin_granted, "X08.05"),
        Mutant(always_ready, "F01.A11"),
        Mutant(outage_is_an_error, "F01.A12"),
        Mutant(dead_stay_dead, "F01.A21"),
        Mutant(refusals_uncounted, "F01.G01"),
        Mutant(usage_is_slow, "F01.A02"),
    )
}


def apply(name: str) -> None:
    """Break the platform that this process is to become."""
    MUTANTS[name].apply()


def verdicts(mutant: str, cases: tuple[str, ...], tmp_path: Path) -> tuple[int, dict[str, str]]:
    """Run *cases* on a platform with the fault; return the exit code and each case's verdict."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    kept = {k: v for k, v in os.environ.items() if k not in ("MONGODB_URI", "REDIS_URL")}
    chosen = [word for case in cases for word in ("--case", case)]
    done = subprocess.run(
        [sys.executable, "-m", "caas.cli", "conformance", "run", *chosen, "--json",
         "--state-dir", str(tmp_path / "state")],
        env={**kept, "PYTHONPATH": str(hook), MUTANT: mutant},
        capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False,
    )  # fmt: skip
    report = tmp_path / "state" / "runs" / "latest" / "run.json"
    assert report.exists(), done.stderr
    run: Any = msgspec.json.decode(report.read_bytes())
    return done.returncode, {case["id"]: case["verdict"] for case in run["cases"]}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_turns_its_law_red(name: str, tmp_path: Path) -> None:
    """And nothing that has to do with something else."""
    mutant = MUTANTS[name]

    code, found = verdicts(name, (mutant.case, mutant.green), tmp_path)

    assert found == {mutant.case: "failed", mutant.green: "passed"}
    assert code == CHECK_FAILED


def test_the_same_laws_are_green_when_nothing_is_broken(tmp_path: Path) -> None:
    """The control: red above is the fault's doing, not the set-up's."""
    cases = tuple(sorted({mutant.case for mutant in MUTANTS.values()}))

    _, found = verdicts("", cases, tmp_path)

    assert found == dict.fromkeys(cases, "passed")
