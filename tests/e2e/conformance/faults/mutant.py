"""What a mutant is, and the ways in which a fault gets into a running platform."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault that a real change could bring, and what has to notice it.

    Attributes:
        apply: Breaks the platform, in the process that is to become the supervisor; its
            docstring says the fault in words.
        phases: What is run: enough to hold cases that must stay green.
        red: Cases that must fail.
        place: The service that has to be named as the cause; empty when none can be.
        only: The law, or the contract check, that alone catches it; empty when ordinary cases
            do, too.
    """

    apply: Callable[[], None]
    phases: tuple[str, ...]
    red: frozenset[str]
    place: str = "auth-service"
    only: str = ""

    @property
    def name(self) -> str:
        """The fault's name on the command line."""
        return self.apply.__name__

    @property
    def fault(self) -> str:
        """The fault in words."""
        return (self.apply.__doc__ or self.name).strip()


def mutant(
    *phases: str, red: str, place: str = "auth-service", only: str = ""
) -> Callable[[Callable[[], None]], Mutant]:
    """Make the decorated function a mutant; *red* are ids, separated by spaces."""

    def make(apply: Callable[[], None]) -> Mutant:
        return Mutant(apply, phases, frozenset(red.split()), place, only)

    return make


def found_in(module: Any) -> list[Mutant]:
    """Return every mutant of a module, in the order of their lines."""
    return [value for value in vars(module).values() if isinstance(value, Mutant)]


def part(path: str) -> Any:
    """Import the module or class `package.module:Class` that is to be broken."""
    module, _, name = path.partition(":")
    imported = import_module(module)
    return getattr(imported, name) if name else imported


def rewrite_answer(
    service: str, method: str, path: str, change: Callable[[int, Any, Any], Any]
) -> None:
    """Make *service* send `change(status, body, headers)` instead of its JSON answer.

    *path* ends in `*` for everything that begins like it; *change* returns status and body, and
    may change the list of headers.
    """

    def wrap(whole: Any) -> Any:
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if not _matches(scope, method, path):
                await whole(scope, receive, send)
                return
            start: dict[str, Any] = {}
            body = b""

            async def rewriting_send(message: Any) -> None:
                nonlocal body
                if message["type"] == "http.response.start":
                    start.update(message)
                    return
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                headers = [h for h in start["headers"] if h[0] != b"content-length"]
                given = msgspec.json.decode(body) if body else None
                status, answer = change(start["status"], given, headers)
                rewritten = msgspec.json.encode(answer) if answer is not None else b""
                headers.append((b"content-length", b"%d" % len(rewritten)))
                await send({**start, "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": rewritten})

            await whole(scope, receive, rewriting_send)

        return serve

    _wrap(service, wrap)


def change_request(
    service: str,
    method: str,
    path: str,
    *,
    body: Callable[[Any], Any] | None = None,
    query: Callable[[bytes], bytes] | None = None,
    headers: Callable[[Sequence[Any]], Sequence[Any]] | None = None,
) -> None:
    """Let *service* see another request than the client sent, as a lenient reader would."""

    def wrap(whole: Any) -> Any:
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if not _matches(scope, method, path):
                await whole(scope, receive, send)
                return
            changed = {**scope}
            if query is not None:
                changed["query_string"] = query(scope["query_string"])
            if headers is not None:
                changed["headers"] = list(headers(scope["headers"]))
            if body is None:
                await whole(changed, receive, send)
                return
            text = await _whole_body(receive)
            with suppress(msgspec.DecodeError):
                text = msgspec.json.encode(body(msgspec.json.decode(text)))
            kept = [h for h in changed["headers"] if h[0] != b"content-length"]
            changed["headers"] = [*kept, (b"content-length", b"%d" % len(text))]
            messages = [{"type": "http.request", "body": text, "more_body": False}]

            async def changed_receive() -> Any:
                return messages.pop() if messages else await receive()

            await whole(changed, changed_receive, send)

        return serve

    _wrap(service, wrap)


async def _whole_body(receive: Any) -> bytes:
    text = b""
    while True:
        message = await receive()
        text += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return text


def _matches(scope: Any, method: str, path: str) -> bool:
    if scope["type"] != "http" or scope["method"] != method:
        return False
    asked = str(scope["path"])
    return asked.startswith(path[:-1]) if path.endswith("*") else asked == path


def _wrap(service: str, wrap: Callable[[Any], Any]) -> None:
    app = part(f"caas.{service}.app")
    create_app = app.create_app
    app.create_app = lambda: wrap(create_app())
