"""What the server allows a client: every wait, queue and size has its bound here."""

from collections.abc import Mapping

import msgspec

from caas.runtime.identity.peers import LOOPBACK
from caas.runtime.settings import read_section, trusted_proxies

PREFIX = "CAAS_HTTP_"
THIS_MACHINE = tuple(str(network) for network in LOOPBACK)


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one server. Times are kept to within `SWEEP_S` of the server.

    Attributes:
        connections_max: Open at once; one more is answered 503 and closed.
        connections_per_address_max: Of them, from one address (IPv6: one /64), so that it takes
            more than one client to keep all others out. A quarter is room for an office or a
            carrier behind one address.
        shared_addresses: Networks (CIDR) whose addresses are not counted, since each stands for
            any number of clients: this machine's, and load balancers'.
        head_bytes_max: Request line and headers; over it is a 414 or 431. The edge's own limits
            are lower and are told in a problem document.
        head_s: From the first byte of a request to the end of its head.
        idle_s: Between two requests. Longer than clients keep unused connections, so that the
            side that closes is theirs.
        body_held_bytes_max: Body bytes held for an application that reads slowly; then reading
            pauses.
        pipelined_max: Requests read ahead of the one that is served; then reading pauses.
        write_stall_s: How long a client may read nothing of an answer that waits for it.
        linger_s: After an answer that came before the end of its request: how long what is
            still sent is read and dropped, so that the answer is not lost to a reset.
    """

    connections_max: int = 8_192
    connections_per_address_max: int = 2_048
    shared_addresses: tuple[str, ...] = THIS_MACHINE
    head_bytes_max: int = 65_536
    head_s: float = 15.0
    idle_s: float = 75.0
    body_held_bytes_max: int = 65_536
    pipelined_max: int = 8
    write_stall_s: float = 30.0
    linger_s: float = 2.0

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "ServerLimits":
        """Read `CAAS_HTTP_*`; the proxies of `CAAS_TRUSTED_PROXIES` are shared addresses.

        Raises:
            SettingsError: A value does not fit.
        """
        limits = read_section(env, PREFIX, cls)
        shared = (*THIS_MACHINE, *trusted_proxies(env))
        return msgspec.structs.replace(limits, shared_addresses=shared)
