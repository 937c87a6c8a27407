"""The state of a stack as it is right now: what `caas status` shows and `caas down` ends."""

import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import msgspec

from caas.stack.errors import StackError
from caas.stack.processes import end_all, is_alive, memory_pss_bytes, wait_gone
from caas.stack.settings import StackSettings
from caas.stack.state.directory import StackFile, StateDir

ASK_DEADLINE_S = 5.0  # a machine that stalled for a moment has not lost its services
HTTP_OK = 200
STAGES = 3  # front doors, services, data servers: each may take its stop deadline


class MemberStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service or server; `state` is `ready`, `starting`, `down` or `external`."""

    name: str
    state: str
    url: str
    pid: int
    restarts: int
    pss_bytes: int | None


class StackStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A whole stack; `ready` when every member is."""

    ready: bool
    supervisor_pid: int
    supervisor_pss_bytes: int | None
    pss_bytes: int
    profile: str
    state_dir: str
    started_at: str
    members: list[MemberStatus]


def inspect(state: StateDir) -> StackStatus:
    """Ask every member of the stack how it is.

    Raises:
        StackError: No stack runs there, or it is still starting.
    """
    stack = _running(state)
    with ThreadPoolExecutor(max_workers=max(1, len(stack.services))) as pool:
        urls = (service.url for service in stack.services.values())
        answers = dict(zip(stack.services, pool.map(_ask, urls), strict=True))
    members = [
        MemberStatus(
            name=name,
            state=answers[name],
            url=service.url,
            pid=service.pid,
            restarts=service.restarts,
            pss_bytes=memory_pss_bytes(service.pid),
        )
        for name, service in stack.services.items()
    ]
    known = state.read_processes()
    living = {record.pid for record in (known.children if known else ()) if is_alive(record)}
    for name, server in stack.servers.items():
        alive = "ready" if server.pid in living else "down"
        members.append(
            MemberStatus(
                name=name,
                state=alive if server.embedded else "external",
                url=server.url,
                pid=server.pid,
                restarts=server.restarts,
                pss_bytes=memory_pss_bytes(server.pid) if server.embedded else None,
            )
        )
    supervisor_pss = memory_pss_bytes(stack.pid)
    return StackStatus(
        ready=all(member.state in ("ready", "external") for member in members),
        supervisor_pid=stack.pid,
        supervisor_pss_bytes=supervisor_pss,
        pss_bytes=sum(member.pss_bytes or 0 for member in members) + (supervisor_pss or 0),
        profile=stack.profile,
        state_dir=stack.state_dir,
        started_at=stack.started_at,
        members=members,
    )


def stop_stack(state: StateDir, settings: StackSettings) -> list[str]:
    """Stop the stack and wait until every process of it is gone; return what had to be forced.

    Also cleans up after a supervisor that was killed.

    Raises:
        StackError: Nothing runs there.
    """
    known = state.read_processes()
    if known is None:
        raise StackError(f"no stack runs from {state.path}; start one with `caas up`")
    forced: list[str] = []
    if is_alive(known.supervisor):
        deadline_s = settings.stop_deadline_s * STAGES + ASK_DEADLINE_S
        if end_all([known.supervisor], deadline_s=deadline_s):
            forced.append("supervisor")
    # A restart may have changed the children since we looked.
    latest = state.read_processes()
    children = (latest or known).children
    if latest is not None:
        forced.extend(each.name for each in end_all(children, deadline_s=settings.stop_deadline_s))
        state.forget()
        if known.ephemeral:
            state.destroy()
    wait_gone(children, deadline_s=settings.stop_deadline_s)
    return forced


def _running(state: StateDir) -> StackFile:
    known = state.read_processes()
    if known is None or not is_alive(known.supervisor):
        left = "; `caas down` cleans up what a killed one left" if known else ""
        raise StackError(f"no stack runs from {state.path}{left}; start one with `caas up`")
    stack = state.read_stack()
    if stack is None:
        raise StackError(f"the stack in {state.path} is still starting; ask again in a moment")
    return stack


def _ask(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=ASK_DEADLINE_S)
    try:
        connection.request("GET", "/internal/ready")
        return "ready" if connection.getresponse().status == HTTP_OK else "starting"
    except (OSError, http.client.HTTPException):
        return "down"
    finally:
        connection.close()
