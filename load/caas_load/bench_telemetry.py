"""What telemetry costs a request: off, on but unsampled, and sampled with export over OTLP.

`traced` is a bare application plus spans, metrics and access log, so its ratio is telemetry
alone. `edge` is a service behind the platform's real edge, compared with itself without export.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import msgspec

from caas_load.generator import script
from caas_load.processes import Server, free_port, running
from caas_load.rounds import Result, interleave
from caas_load.sampling import sample
from caas_load.servers import service_command

PATH = "/v1/ping"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
APPS = {
    "traced": "caas_load.telemetry_apps:create_traced",
    "edge": "caas.testing.ping_service:create_app",
}
LOSS_MAX_SHARE = 0.01


def run(directory: Path, *, rounds: int, seconds: float) -> Result:
    """Measure and return every round; the bare application is the reference."""
    result = Result(
        "Telemetry",
        "requests",
        "bare",
        goals={"traced, unsampled": 0.95, "traced, sampled": 0.6},
        references={f"edge, {mode}": "edge, off" for mode in ("unsampled", "sampled")},
    )
    requests = {}
    for mode, flags in (("unsampled", "00"), ("sampled", "01")):
        (directory / mode).mkdir()
        requests[mode] = script(directory / mode, "GET", {"traceparent": f"{TRACE}-{flags}"}, [{}])
    measure = partial(sample, path=PATH, seconds=seconds)
    with ExitStack() as stack:
        port = free_port()
        receiver = stack.enter_context(
            running(
                "receiver",
                service_command("caas_load.telemetry_apps:receive_otlp", port, interface="rsgi"),
                port=port,
                log=directory / "receiver.log",
            )
        )
        exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        bare = stack.enter_context(
            serving("bare", "caas_load.telemetry_apps:create_bare", directory, {})
        )
        contestants = {"bare": partial(measure, bare, requests=requests["unsampled"])}
        for name, app in APPS.items():
            quiet = stack.enter_context(serving(f"{name}-off", app, directory, {}))
            loud = stack.enter_context(serving(f"{name}-on", app, directory, exporting))
            for mode, server, sent in (
                ("off", quiet, "unsampled"),
                ("unsampled", loud, "unsampled"),
                ("sampled", loud, "sampled"),
            ):
                contestants[f"{name}, {mode}"] = partial(measure, server, requests=requests[sent])
            if name == "traced":
                figures = f"{loud.url}/figures"
        interleave(result, contestants, rounds=rounds)
        result.notes.append(lost(figures))
    return result


@contextmanager
def serving(name: str, app: str, directory: Path, env: Mapping[str, str]) -> Iterator[Server]:
    """Run *app* as a container would; its log lines go to a file."""
    port = free_port()
    off = {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "CAAS_ENVIRONMENT": "development"}
    with running(
        name,
        service_command(app, port),
        port=port,
        log=directory / f"{name}.log",
        env={**off, **env},
        health=PATH,
    ) as server:
        yield server


def lost(figures_url: str) -> str:
    """Say how many of the recorded items were not exported: a ratio bought by loss is none."""
    with urlopen(figures_url, timeout=5) as response:  # noqa: S310 - 127.0.0.1 only
        figures = msgspec.json.decode(response.read(), type=dict[str, dict[str, float]])
    exported, dropped = sum(figures["exported"].values()), sum(figures["dropped"].values())
    share = dropped / (exported + dropped or 1)
    verdict = "fine" if share <= LOSS_MAX_SHARE else "too many: the queue was full under load"
    return f"traced, sampled: {exported:,.0f} items exported, {share:.1%} dropped ({verdict})"
