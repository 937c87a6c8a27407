"""A case of the runner against a bare aiohttp loop that sends and asserts the same.

The runner gives each case a trace, connections of its own, captured exchanges and recorded
checks, and writes its journal; the bare loop keeps one connection and asserts. Rates are of
cases, so a goal of at most 1.5 times the time is a ratio of at least 0.67.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import uvloop

from caas_conformance.authoring import CaseContext, Phase
from caas_conformance.authoring.context import Environment
from caas_conformance.engine.run_directory import Journal
from caas_conformance.engine.runner import CaseResult, Options, Runner, is_green
from caas_conformance.wire.client import Endpoint
from caas_load.contestants.servers import plain_command
from caas_load.measuring.generator import GeneratorError
from caas_load.measuring.processes import free_port, running
from caas_load.measuring.rounds import Result, Sample, interleave

REQUESTS_PER_CASE = 8  # the suite's cases send 6 in the median and 9 on average
CASES_PER_BATCH = 100
UPSTREAM = "upstream"
PATH = "/api/v1/sessions"
TIME_RATIO_MAX = 1.5

PHASE = Phase("B00", "Benchmark", "What the runner costs.")


@PHASE.case(
    "B00.01", "The upstream answers", proves="What a case costs.", requirements=["BENCH-01"]
)
async def case(t: CaseContext) -> None:
    """Red when an answer is not the upstream's."""
    for number in range(REQUESTS_PER_CASE):
        answer = await t.service(UPSTREAM).get(PATH)
        with t.check(f"answer-{number}", "the list comes back") as check:
            check.status(answer, 200)
            check.header(answer, "x-upstream", "bench")
            check.equal(answer.at("sessions.0.is_active"), True)  # noqa: FBT003


def run(directory: Path, *, rounds: int, seconds: float) -> Result:
    """Measure and return every round; the bare loop is the reference."""
    result = Result("Conformance runner", "cases", "aiohttp", {"runner": 1 / TIME_RATIO_MAX})
    port = free_port()
    with running(
        "upstream",
        plain_command("caas_load.contestants.upstream:app", port),
        port=port,
        log=directory / "upstream.log",
    ) as upstream:
        harness = _Harness(upstream.url, directory / "journal.jsonl")

        def contestant(batch: Callable[[], Awaitable[None]]) -> Callable[[], Sample]:
            return lambda: uvloop.run(_measured(batch, seconds))

        interleave(
            result,
            {
                "aiohttp": contestant(lambda: _bare(upstream.url)),
                "runner": contestant(harness.batch),
            },
            rounds=rounds,
        )
    result.notes.append(
        f"runner: {1 / result.ratio('runner'):.2f} times the time of the bare loop (goal: at most "
        f"{TIME_RATIO_MAX}); of a case's {REQUESTS_PER_CASE} exchanges "
        f"{harness.overhead_ms():.2f} ms is not waiting for the service"
    )
    return result


async def _measured(batch: Callable[[], Awaitable[None]], seconds: float) -> Sample:
    """Run batches of cases until *seconds* have passed; the CPU is this process's."""
    cases = 0
    cpu, started = time.process_time(), time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        await batch()
        cases += CASES_PER_BATCH
    return Sample(rate=cases / spent, cpu_us=(time.process_time() - cpu) / cases * 1e6)


async def _bare(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(CASES_PER_BATCH * REQUESTS_PER_CASE):
            async with session.get(url + PATH) as response:
                said = await response.json()
            if not (
                response.status == 200  # noqa: PLR2004
                and response.headers["x-upstream"] == "bench"
                and said["sessions"][0]["is_active"] is True
            ):
                raise GeneratorError(f"the upstream answered {response.status}")


class _Harness:
    """The runner over batches of the case; keeps the last batch's results."""

    def __init__(self, url: str, journal: Path) -> None:
        self._environment = Environment({UPSTREAM: Endpoint(UPSTREAM, url)})
        self._journal = journal
        self._results: list[CaseResult] = []

    async def batch(self) -> None:
        """Run the case `CASES_PER_BATCH` times, one after the other, as `-n 1` does.

        Raises:
            GeneratorError: An attempt is not green.
        """
        journal = Journal(self._journal)
        runner = Runner(
            PHASE.cases,
            self._environment,
            run_id="bench",
            options=Options(repeat=CASES_PER_BATCH),
            journal=journal,
        )
        self._results = await runner.execute()
        journal.close()
        if not all(map(is_green, self._results)):
            raise GeneratorError(f"a case is not green: {self._results[0].finals[0].reason}")

    def overhead_ms(self) -> float:
        """Return the median time per case that was not spent waiting, in the last batch."""
        costs = sorted(record.overhead_ms for r in self._results for record in r.attempts)
        return costs[len(costs) // 2]
