"""How many connections one client may hold, and who is not counted as one."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from caas.runtime.server import HttpServer, ServerLimits
from caas.runtime.server.connection import ServerConnection
from caas.runtime.settings import SettingsError
from caas.testing.http.raw import echo, run_server

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
ATTEMPTS_MAX = 1_000


class Connection:
    """A connection as far as the count needs one."""

    def __init__(self, address: str | None) -> None:
        self.client = None if address is None else (address, 1)


def crowd(server: HttpServer, *addresses: str | None) -> list[bool]:
    """Tell which of connections from *addresses* are taken in, one after the other."""
    return [server.opened(cast("ServerConnection", Connection(a))) for a in addresses]


async def test_one_client_leaves_room_for_others() -> None:
    """Its connections beyond the limit are turned away; when one ends there is room again."""
    limits = ServerLimits(connections_per_address_max=2, shared_addresses=())
    async with run_server(echo, limits) as running, AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            clients.append(await stack.enter_async_context(running.connect()))
            clients[-1].send(GET)
            await clients[-1].answer(7)
        third = await running.ask(b"")
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", running.port, local_addr=("127.0.0.2", 0)
        )
        writer.write(LAST)
        other = await reader.read()
        writer.close()
        clients[0].writer.close()
        again = b""
        for _ in range(ATTEMPTS_MAX):  # until the server has seen the end of the connection
            again = await running.ask(LAST)
            if again.startswith(b"HTTP/1.1 200 "):
                break

    assert third.startswith(b"HTTP/1.1 503 ")
    assert other.startswith(b"HTTP/1.1 200 ")
    assert again.startswith(b"HTTP/1.1 200 ")


async def test_this_machine_is_no_client() -> None:
    """Services, a proxy and the runner beside us all come from loopback."""
    limits = ServerLimits(connections_per_address_max=1)
    async with run_server(echo, limits) as running, AsyncExitStack() as stack:
        for _ in range(5):
            client = await stack.enter_async_context(running.connect())
            client.send(GET)
            assert (await client.head()).startswith(b"HTTP/1.1 200 ")


def test_an_ipv6_network_is_one_client() -> None:
    """And an IPv4 address is the same written either way."""
    server = HttpServer(echo, ServerLimits(connections_per_address_max=2))

    assert crowd(server, "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1") == [
        True,
        True,
        False,
        True,
    ]
    assert crowd(server, "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2") == [
        True, True, False, True,
    ]  # fmt: skip


def test_balancers_and_what_has_no_address_are_not_counted() -> None:
    """Each stands for any number of clients."""
    limits = ServerLimits.from_env(
        {
            "CAAS_HTTP_CONNECTIONS_PER_ADDRESS_MAX": "1",
            "CAAS_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
        }
    )
    server = HttpServer(echo, limits)

    assert all(crowd(server, *["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "127.0.0.1", None] * 3))
    assert crowd(server, "11.0.0.1", "11.0.0.1") == [True, False]


def test_who_was_turned_away_frees_no_place() -> None:
    """Only a connection that was taken in is given back; nothing is left of the last one."""
    server = HttpServer(echo, ServerLimits(connections_per_address_max=1))
    first, second = (cast("ServerConnection", Connection("192.0.2.1")) for _ in range(2))
    assert (server.opened(first), server.opened(second)) == (True, False)

    server.closed(second)
    assert crowd(server, "192.0.2.1") == [False]
    server.closed(first)

    assert crowd(server, "192.0.2.1", "192.0.2.1") == [True, False]


def test_limits_come_from_the_environment() -> None:
    """By their names, and none by default."""
    assert ServerLimits.from_env({}) == ServerLimits()
    changed = ServerLimits.from_env({"CAAS_HTTP_CONNECTIONS_MAX": "10", "CAAS_HTTP_IDLE_S": "1.5"})
    assert (changed.connections_max, changed.idle_s) == (10, 1.5)


@pytest.mark.parametrize(
    "environ",
    [{"CAAS_HTTP_CONNECTIONS_MAX": "many"}, {"CAAS_TRUSTED_PROXIES": "10.0.0.0/99"}],
)
def test_a_wrong_limit_stops_the_start(environ: dict[str, Any]) -> None:
    """With the variable's name."""
    with pytest.raises(SettingsError, match="CAAS_"):
        ServerLimits.from_env(environ)
