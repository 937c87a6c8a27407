"""Streams are read while they are written, and every event is on the time axis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.testing import Said, ScriptedService
from caas_conformance.wire.evidence import derived
from caas_conformance.wire.sse import LINE_BYTES_MAX
from caas_reports.model import Exchange, Run, Verdict

pytestmark = pytest.mark.anyio
Conduct = Callable[..., Awaitable[tuple[Run, Path]]]
Queue = asyncio.Queue[bytes | None]


@pytest.fixture
def pieces(service: ScriptedService) -> Queue:
    """What the service sends on `/events`, piece by piece; None ends the stream."""
    queue: Queue = asyncio.Queue()

    async def sent() -> AsyncIterator[bytes]:
        while (piece := await queue.get()) is not None:
            yield piece

    service.route(
        "GET", "/events",
        lambda _: Said(200, headers={"content-type": "text/event-stream"}, pieces=sent()),
    )  # fmt: skip
    return queue


def the_exchange(run: Run) -> Exchange:
    """Return the only exchange of the only case."""
    return run.cases[0].attempts[0].exchanges[0]


async def test_events_are_read_before_the_stream_ends(
    conducted: Conduct, phase: Phase, pieces: Queue
) -> None:
    """The second event is written only after the first was read."""

    async def body(t: CaseContext) -> None:
        pieces.put_nowait(b': hi\n\nevent: token\ndata: "a"\n\n')
        async with t.stream("auth-service", "/events") as stream:
            first = await stream.next()
            pieces.put_nowait(b'event: token\ndata: "b"\n\nevent: do')
            second = await stream.next()
            pieces.put_nowait(b"ne\ndata: {}\n\n")
            pieces.put_nowait(None)
            rest = await stream.all()
        texts = [event.json.value for event in (first, second) if event is not None]
        with t.check("in-order", "tokens come in order, then done, once") as check:
            check.status(stream.answer, 200)
            check.equal(derived("tokens", texts, of=[stream.answer]), ["a", "b"])
            check.equal(derived("rest", [e.name for e in rest], of=[stream.answer]), ["done"])
            check.empty(stream.error)

    phase.case("Z01.01", "Streams", proves="It.", requirements=["REQ-01"])(body)
    run, _ = await conducted()

    assert run.cases[0].verdict is Verdict.PASSED, run.cases[0].reason
    exchange = the_exchange(run)
    assert (exchange.protocol, exchange.status) == ("sse", 200)
    assert [(e.kind, e.name, e.data) for e in exchange.events] == [
        ("comment", "", "hi"), ("event", "token", '"a"'), ("event", "token", '"b"'),
        ("event", "done", "{}"), ("end", "", ""),
    ]  # fmt: skip
    offsets = [event.offset_ms for event in exchange.events]
    assert offsets == sorted(offsets)


async def test_nothing_within_the_time_is_nothing(
    conducted: Conduct, phase: Phase, pieces: Queue
) -> None:
    """The case decides what that means; leaving closes the connection."""

    async def body(t: CaseContext) -> None:
        async with t.stream("auth-service", "/events") as stream:
            nothing = await stream.next(within_s=0.05)
            with t.check("silent", "nothing came") as check:
                check.equal(derived("event", nothing, of=[stream.answer]), None)
                check.equal(derived("ended", stream.ended, of=[stream.answer]), False)  # noqa: FBT003

    phase.case("Z01.01", "Waits", proves="It.", requirements=["REQ-01"])(body)
    run, _ = await conducted(telemetry=False)
    pieces.put_nowait(None)

    assert run.cases[0].verdict is Verdict.PASSED, run.cases[0].reason
    assert [(e.direction, e.kind) for e in the_exchange(run).events] == [("sent", "disconnect")]
    assert run.cases[0].attempts[0].sut_wait_ms >= 50


async def test_a_stream_that_breaks_off_says_so(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """Half an event was not sent, and the connection's end is no end of the stream."""
    wire = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n7\r\ndata: 2\r\n"
    )
    service.route("GET", "/events", Said(wire=wire))

    async def body(t: CaseContext) -> None:
        async with t.stream("auth-service", "/events") as stream:
            found = await stream.all()
        with t.check("whole", "the stream is whole") as check:
            check.equal(derived("events", len(found), of=[stream.answer]), 1)
            check.empty(stream.error)

    phase.case("Z01.01", "Breaks", proves="It.", requirements=["REQ-01"])(body)
    run, _ = await conducted(telemetry=False)

    failed = [a for a in run.cases[0].attempts[0].checks[0].assertions if not a.passed]
    assert [a.at for a in failed] == ["stream.error"]
    assert "before the last chunk" in failed[0].actual


@pytest.mark.parametrize("looks", [True, False])
async def test_a_stream_that_ends_in_a_reset_is_broken_off(
    conducted: Conduct, phase: Phase, service: ScriptedService, *, looks: bool
) -> None:
    """Whether the case looks at how it ended, or forgets to."""
    read = asyncio.Event()

    async def packets() -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: one\n\n"
        await read.wait()

    service.route("GET", "/events", Said(wire=packets(), after="reset"))

    async def body(t: CaseContext) -> None:
        async with t.stream("auth-service", "/events") as stream:
            first = await stream.next()
            read.set()
            rest = await stream.all()
        with t.check("whole", "the stream is whole") as check:
            check.equal(derived("events", [first is not None, len(rest)], of=[stream.answer]),
                        [True, 0])  # fmt: skip
            if looks:
                check.empty(stream.error)

    phase.case("Z01.01", "Breaks", proves="It.", requirements=["REQ-01"])(body)
    run, _ = await conducted(telemetry=False)

    failed = [c.id for c in run.cases[0].attempts[0].checks if c.verdict is Verdict.FAILED]
    assert failed == (["whole"] if looks else ["answered-2"])
    assert the_exchange(run).error == "the connection was reset in the middle of the body"


async def test_a_line_without_end_ends_at_a_limit(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """The stream is given up with its reason, and what came before it is kept."""

    async def packets() -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: one\n\ndata: "
        while True:
            yield b"z" * 65536

    service.route("GET", "/events", Said(wire=packets()))

    async def body(t: CaseContext) -> None:
        async with t.stream("auth-service", "/events") as stream:
            found = await stream.all()
        with t.check("whole", "the stream is whole") as check:
            check.equal(derived("events", len(found), of=[stream.answer]), 1)
            check.empty(stream.error)

    phase.case("Z01.01", "Endless", proves="It.", requirements=["REQ-01"])(body)
    run, _ = await conducted(telemetry=False)

    assert the_exchange(run).error == f"a line of the stream is over {LINE_BYTES_MAX} bytes"
    assert [e.kind for e in the_exchange(run).events] == ["event", "end"]


async def test_no_stream_at_all_is_the_platforms_failure(
    conducted: Conduct, phase: Phase, service: ScriptedService
) -> None:
    """As for any other request."""
    service.route("GET", "/events", Said(wire=b""))

    async def body(t: CaseContext) -> None:
        async with t.stream("auth-service", "/events") as stream:
            with t.check("status", "it opens") as check:
                check.status(stream.answer, 200)

    phase.case("Z01.01", "None", proves="It.", requirements=["REQ-01"])(body)
    run, _ = await conducted(telemetry=False)

    assert run.cases[0].verdict is Verdict.FAILED
    assert run.cases[0].attempts[0].checks[0].id == "answered-1"
