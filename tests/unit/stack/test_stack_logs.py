"""Logs stay within their bound, lose no line, and read as one stream."""

import os
from pathlib import Path

import msgspec
import pytest

from caas.stack.console import log_view
from caas.stack.errors import StackError
from caas.stack.servers.embedded import complaint
from caas.stack.state.log_files import LogFile, rotated
from caas.stack.supervisor.watching import last_complaint

TRACE = "0af7651916cd43dd8448eb211c80319c"


def write(path: Path, *entries: dict[str, object] | str) -> None:
    """Write entries as JSON lines, text as it is."""
    lines = [
        each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in entries
    ]
    path.write_text("".join(f"{line}\n" for line in lines))


def entry(second: int, message: str, **more: object) -> dict[str, object]:
    """Return a log entry of a given second."""
    return {
        "timestamp": f"2026-01-01T00:00:0{second}.000Z",
        "level": "info",
        "message": message,
        **more,
    }


def messages(logs: Path, service: str | None = None, trace: str | None = None) -> list[str]:
    """Return what the view would show, message by message."""
    lines = log_view.read_merged(log_view.log_paths(logs, service))
    return [
        line.entry.get("message", line.text) for line in filter(log_view.of_trace(trace), lines)
    ]


def test_full_log_is_moved_aside_and_no_line_is_lost(tmp_path: Path) -> None:
    """The descriptor that was written to all along is what the service has as stdout."""
    path = tmp_path / "service.jsonl"
    log = LogFile(path, size_max_bytes=100)
    descriptor = os.open(os.devnull, os.O_WRONLY)
    log.redirect(descriptor)
    moves = 0
    for number in range(8):
        os.write(descriptor, b"line %03d %s\n" % (number, b"." * 20))
        moves += log.rotate_when_full()
    os.close(descriptor)

    kept = rotated(path).read_text() + path.read_text()
    assert moves == 2
    assert [line.split()[1] for line in kept.splitlines()] == [f"{n:03}" for n in range(4, 8)]
    assert path.stat().st_mode & 0o077 == 0


def test_logs_of_all_services_are_one_stream_by_time(tmp_path: Path) -> None:
    """Rotated parts come first; data servers' logs only when asked for."""
    write(tmp_path / "a.jsonl.1", entry(0, "a0"))
    write(tmp_path / "a.jsonl", entry(1, "a1"), entry(4, "a4"))
    write(tmp_path / "b.jsonl", entry(2, "b2"), entry(3, "b3"))
    write(tmp_path / "mongodb.log", entry(1, "m1"))

    assert messages(tmp_path) == ["a0", "a1", "b2", "b3", "a4"]
    assert messages(tmp_path, "b") == ["b2", "b3"]
    assert messages(tmp_path, "mongodb") == ["m1"]


def test_lines_that_are_no_json_stay_where_they_were(tmp_path: Path) -> None:
    """A traceback printed by a library belongs to the line before it."""
    write(tmp_path / "a.jsonl", entry(1, "a1"), "Traceback", "  boom", entry(5, "a5"))
    write(tmp_path / "b.jsonl", entry(3, "b3"))

    assert messages(tmp_path) == ["a1", "Traceback", "  boom", "b3", "a5"]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (TRACE, ["mine"]),
        (TRACE[:8].upper(), ["mine"]),
        ("order-7", ["correlated"]),
        ("ffffffff", []),
    ],
)
def test_trace_filter_takes_ids_prefixes_and_correlation_ids(
    tmp_path: Path, wanted: str, shown: list[str]
) -> None:
    """What people have at hand: the start of an id from a report, or x-correlation-id."""
    write(
        tmp_path / "a.jsonl",
        entry(1, "mine", trace_id=TRACE),
        entry(2, "other", trace_id="1" * 32),
        entry(3, "correlated", trace_id="2" * 32, correlation_id="order-7"),
        entry(4, "none"),
    )

    assert messages(tmp_path, trace=wanted) == shown


def test_unknown_service_names_what_there_is(tmp_path: Path) -> None:
    """A typo is the usual cause."""
    write(tmp_path / "gateway.jsonl", entry(1, "x"))

    with pytest.raises(StackError, match=r"no log of gatway in .*; there is: gateway"):
        log_view.log_paths(tmp_path, "gatway")


def test_follow_goes_on_in_the_new_file(tmp_path: Path) -> None:
    """A log that is moved aside meanwhile must not end the view or lose its last lines."""
    path = tmp_path / "a.jsonl"
    write(path, entry(1, "before"))
    tail = log_view._Tail("a", path)
    assert list(tail.read()) == []

    with path.open("ab", buffering=0) as old:
        path.replace(rotated(path))
        old.write(msgspec.json.encode(entry(2, "two")) + b"\n")
        write(path, entry(3, "three"))
        seen = [line.entry["message"] for _ in range(2) for line in tail.read()]
    tail.close()

    assert seen == ["two", "three"]


def test_follow_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    """A writer may be seen in the middle."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"")
    tail = log_view._Tail("a", path)
    whole = msgspec.json.encode(entry(1, "whole")) + b"\n"
    with path.open("ab", buffering=0) as log:
        log.write(whole[:20])
        first = list(tail.read())
        log.write(whole[20:])
        second = [line.entry["message"] for line in tail.read()]
    tail.close()

    assert (first, second) == ([], ["whole"])


def test_readable_form_has_time_level_service_message_and_the_rest(tmp_path: Path) -> None:
    """All that a person needs on one line."""
    write(tmp_path / "auth.jsonl", entry(1, "hello", trace_id=TRACE, tenant="t1"))
    (line,) = log_view.read_merged(log_view.log_paths(tmp_path, None))

    assert log_view.render(line).split() == [
        "00:00:01.000", "INFO", "auth", TRACE[:8], "hello", "tenant=t1",
    ]  # fmt: skip


def test_last_complaint_is_the_last_error(tmp_path: Path) -> None:
    """What `caas up` quotes when a service did not start."""
    path = tmp_path / "a.jsonl"
    write(
        path,
        entry(1, "first", level="error"),
        entry(2, "last", level="critical"),
        entry(3, "fine"),
        "not json",
    )

    assert last_complaint(path) == "last"
    assert last_complaint(tmp_path / "none.jsonl") == ""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"s":"I","msg":"fine"}', ""),
        ('{"s":"E","msg":"Failed","attr":{"error":"Address already in use"}}',
         "Failed Address already in use"),
        ('{"s":"F","msg":"Fatal","attr":{"error":{"errmsg":"lock"}}}', "Fatal lock"),
        ("mongod: error while loading libx.so", "mongod: error while loading libx.so"),
        ("# Server initialized", ""),
        ("[1]", ""),
    ],
)  # fmt: skip
def test_server_complaints_are_found(line: str, found: str) -> None:
    """In MongoDB's JSON and in plain text."""
    assert complaint(line) == found
