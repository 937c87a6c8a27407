"""`caas conformance`: run, plan, list, explain."""

import asyncio

import click

from caas_conformance.attempt import run_attempt
from caas_conformance.context import Environment
from caas_conformance.discovery import discover
from caas_conformance.http.client import Endpoint
from caas_reports.model import Verdict


@click.group()
def conformance() -> None:
    """Drive a platform through its phases and judge it."""


@conformance.command()
@click.option("--url", "urls", multiple=True, metavar="SERVICE=URL")
def run(urls: tuple[str, ...]) -> None:
    """Run every case against the given services, one after the other."""
    pairs = [url.partition("=") for url in urls]
    environment = Environment({name: Endpoint(name, url) for name, _, url in pairs})

    async def every_case() -> int:
        red = 0
        for phase in discover():
            for case in phase.cases:
                record = await run_attempt(case, 1, environment, "single-run")
                red += record.verdict not in (Verdict.PASSED, Verdict.WARNING)
                click.echo(f"{case.id} {record.verdict:8} {case.title} {record.reason}")
                for check in record.context.checks:
                    for a in check.assertions:
                        if not a.passed:
                            click.echo(f"    {check.id}: {a.at}: {a.expected!r} != {a.actual!r}")
        return red

    raise SystemExit(1 if asyncio.run(every_case()) else 0)
