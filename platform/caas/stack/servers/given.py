"""Servers that the operator named by URL: are they there, and how are they shown."""

import os
from collections.abc import Callable
from urllib.parse import urlsplit

from caas.stack.errors import StackError

CHECK_DEADLINE_S = 5.0
ANSWER_SIZE_MAX_BYTES = 4_096


def without_credentials(url: str) -> str:
    """Return *url* as it may be shown: user, password and options left out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_mongodb(url: str) -> None:
    """Make sure that MongoDB answers at *url* and has a primary.

    Raises:
        StackError: It does not.
    """
    _check("MONGODB_URI", "MongoDB", url, _ping_mongodb)


def check_redis(url: str) -> None:
    """Make sure that Redis answers at *url*; raises as `check_mongodb` does."""
    _check("REDIS_URL", "Redis", url, _ping_redis)


def _ping_mongodb(url: str) -> None:
    from pymongo import MongoClient  # noqa: PLC0415  # only in the child: it starts threads

    timeout_ms = int(CHECK_DEADLINE_S * 1000)
    with MongoClient[dict[str, object]](
        url, serverSelectionTimeoutMS=timeout_ms, connectTimeoutMS=timeout_ms
    ) as client:
        hello = client.admin.command("hello")
    if not hello.get("isWritablePrimary") and hello.get("msg") != "isdbgrid":
        raise ConnectionError("it is not a primary")


def _ping_redis(url: str) -> None:
    from redis import Redis  # noqa: PLC0415  # only in the child

    limits = {"socket_timeout": CHECK_DEADLINE_S, "socket_connect_timeout": CHECK_DEADLINE_S}
    with Redis.from_url(url, **limits) as client:
        client.ping()


def _check(variable: str, label: str, url: str, ping: Callable[[str], None]) -> None:
    """Ping in a forked child, because drivers start threads and the supervisor may have none."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        answer = b""
        try:
            ping(url)
        except Exception as error:  # noqa: BLE001  # any driver's error is the answer
            # The class only: a driver's text may quote the URL with its password.
            answer = type(error).__name__.encode()
        os.write(writer, answer)
        os._exit(0)
    os.close(writer)
    said = os.read(reader, ANSWER_SIZE_MAX_BYTES)
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    if said or status:
        message = (
            f"{label} at {without_credentials(url)} ({variable}) cannot be used: "
            f"{said.decode() or 'the check itself failed'}; start it, fix {variable}, or unset it "
            "to use the embedded server"
        )
        raise StackError(message)
