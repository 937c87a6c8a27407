"""What telemetry costs a request: off, on but unsampled, and sampled with export over OTLP.

`edge` is a service behind the platform's real edge, compared with the same service whose edge has
no telemetry in it. `litestar` is what people get otherwise: Litestar with its own OpenTelemetry
plug-in, which records spans and no log lines, against itself without. `asgi` is the hardest
comparison there is: an application of two lines, with spans, metrics and access log around it,
against those two lines.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from caas_load.contestants.servers import plain_command, service_command
from caas_load.measuring.generator import script
from caas_load.measuring.processes import Server, free_port, running
from caas_load.measuring.rounds import Result, Sample, interleave
from caas_load.measuring.sampling import sample

PATH = "/v1/ping"
MODES = ("off", "unsampled", "sampled")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
EDGE = "caas.testing.http.ping_service:create_app"
BARE = "caas_load.contestants.telemetry_apps:create_bare"
TRACED = "caas_load.contestants.telemetry_apps:create_traced"
LITESTAR = "caas_load.contestants.telemetry_apps:create_litestar"
STOCK = "caas_load.contestants.telemetry_apps:create_stock"
LOSS_MAX_SHARE = 0.01
# Every sampled request is one that its caller asked for: the longest way, with no limit in it.
FORCED = {"OTEL_TRACES_SAMPLER": "parentbased_always_off", "CAAS_TRACE_FORCED_PER_S": "1000000"}


def run(directory: Path, *, rounds: int, seconds: float) -> Result:
    """Measure and return every round; each family has its bare reference."""
    result = Result(
        "Telemetry",
        "requests",
        "edge, bare",
        goals={"edge, unsampled": 0.9},
        references={
            "litestar, bare": "litestar, bare",
            "litestar, sampled": "litestar, bare",
            **{f"asgi, {mode}": "asgi, bare" for mode in ("bare", *MODES)},
        },
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
                plain_command("caas_load.contestants.telemetry_apps:receive_otlp", port),
                port=port,
                log=directory / "receiver.log",
            )
        )
        exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **FORCED}
        stock = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        contestants: dict[str, Callable[[], Sample]] = {}
        pages = {}
        for family, plain, traced in (("edge", EDGE, EDGE), ("asgi", BARE, TRACED)):
            bare, off, on = (
                stack.enter_context(serving(f"{family}-{name}", app, directory, env))
                for name, app, env in (
                    ("bare", plain, {"CAAS_PING_TELEMETRY": "none"}),
                    ("off", traced, {}),
                    ("on", traced, exporting),
                )
            )
            for mode, server in (("bare", bare), ("off", off), ("unsampled", on), ("sampled", on)):
                sent = requests["sampled" if mode == "sampled" else "unsampled"]
                contestants[f"{family}, {mode}"] = partial(measure, server, requests=sent)
            pages[family] = f"{on.url}/internal/metrics"
        for name, app, env in (("bare", LITESTAR, {}), ("sampled", STOCK, stock)):
            server = stack.enter_context(serving(f"litestar-{name}", app, directory, env))
            contestants[f"litestar, {name}"] = partial(
                measure, server, requests=requests["sampled"]
            )
        interleave(result, contestants, rounds=rounds)
        result.notes += [lost(family, page) for family, page in pages.items()]
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


def lost(family: str, metrics_url: str) -> str:
    """Say how many of the recorded items were not exported: a ratio bought by loss is none."""
    with urlopen(metrics_url, timeout=5) as response:  # noqa: S310 - 127.0.0.1 only
        page = response.read().decode()
    totals = {
        found.name: sum(sample.value for sample in found.samples if sample.name.endswith("_total"))
        for found in text_string_to_metric_families(page)
    }
    exported, dropped = totals["caas_telemetry_exported"], totals["caas_telemetry_dropped"]
    share = dropped / (exported + dropped or 1)
    verdict = "fine" if share <= LOSS_MAX_SHARE else "too many: the queue was full under load"
    return f"{family}, sampled: {exported:,.0f} items exported, {share:.1%} dropped ({verdict})"
