"""A toy service: boards of notes with keys and sessions, a dozen routes, and faults to order.

    python server.py FAULT

says its port on standard output. Nothing of it knows the runner; nothing of the runner knows it.
"""

import base64
import secrets
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

FAULT = sys.argv[1] if len(sys.argv) > 1 else ""
TTL_S = 600
Reply = tuple[int, Any]


@dataclass
class Board:
    """A customer."""

    id: str
    title: str = "untitled"
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)


BOARDS: dict[str, Board] = {}
KEYS: dict[str, tuple[Board, frozenset[str], float]] = {}
REFRESH: dict[str, tuple[Board, int, float]] = {}
LOCK = threading.Lock()
SCOPES = frozenset({"note:read", "note:write"})


class RefusedError(Exception):
    """A request that is answered with a problem."""

    def __init__(self, status: int, path: str = "") -> None:
        super().__init__(status, path)
        self.status = status
        self.path = path


def new_board(_: Any, _body: Any) -> Reply:
    """Open a board; its key holds everything."""
    board = Board(secrets.token_hex(8))
    BOARDS[board.id] = board
    return 201, {"id": board.id, "key": _key(board, SCOPES, TTL_S), "ttl_s": TTL_S}


def new_key(board: Board, body: Any) -> Reply:
    """Make a key with fewer scopes."""
    scopes = _checked(body, {"scopes": list}, ())["scopes"]
    for n, scope in enumerate(scopes):
        if scope not in SCOPES:
            raise RefusedError(400, f"scopes[{n}]")
    return 201, {"id": secrets.token_hex(8), "key": _key(board, frozenset(scopes), TTL_S)}


def new_session(board: Board, body: Any) -> Reply:
    """Open a session, of a shorter life if that is asked for."""
    ttl_s = _checked(body, {"ttl_s": int}, ("ttl_s",)).get("ttl_s", TTL_S)
    if not 1 <= ttl_s <= TTL_S:
        raise RefusedError(400, "ttl_s")
    return 201, _tokens(board, ttl_s)


def renew_session(_: Any, body: Any) -> Reply:
    """Trade a refresh token for a new pair."""
    held = REFRESH.get(_checked(body, {"refresh_token": str}, ())["refresh_token"])
    if held is None or held[2] < time.time():
        raise RefusedError(401)
    return 200, _tokens(held[0], held[1])


def _tokens(board: Board, ttl_s: int) -> dict[str, Any]:
    now_s = int(time.time())
    session_id = secrets.token_hex(8)
    parts = [{"alg": "none"}, {"iat": now_s, "exp": now_s + ttl_s, "jti": session_id}]
    texts = [base64.urlsafe_b64encode(msgspec.json.encode(p)).rstrip(b"=").decode() for p in parts]
    token = ".".join([*texts, "toy"])
    life_s = 3600 if FAULT == "immortal" else ttl_s
    KEYS[token] = board, frozenset({"note:read"}), now_s + life_s
    refresh = secrets.token_urlsafe(16)
    REFRESH[refresh] = board, ttl_s, now_s + ttl_s
    told = ttl_s * 1000 if FAULT == "milliseconds" else ttl_s
    return {"id": session_id, "access_token": token, "refresh_token": refresh,
            "expires_in": told}  # fmt: skip


def show_board(board: Board, _: Any) -> Reply:
    """Show the board."""
    shown = {"id": board.id, "title": board.title}
    return 200, {**shown, "owner": "root"} if FAULT == "undocumented" else shown


def name_board(board: Board, body: Any) -> Reply:
    """Name the board."""
    title = _checked(body, {"title": str}, ())["title"]
    if not 1 <= len(title) <= 40:
        raise RefusedError(400, "title")
    if FAULT != "lost-write":
        board.title = title
    return show_board(board, None)


def list_notes(board: Board, query: Any) -> Reply:
    """Page through the notes, oldest first."""
    limit = _number(query.get("limit", ["50"])[0])
    after = query.get("cursor", [""])[0]
    found = list(board.notes.values())
    if after:
        places = [n for n, note in enumerate(found) if note["id"] == after]
        if not places:
            raise RefusedError(400, "query.cursor")
        found = found[places[0] + (0 if FAULT == "page-repeats" else 1) :]
    page = found[:limit]
    return 200, {"items": page, "next_cursor": page[-1]["id"] if len(found) > limit else None}


def add_note(board: Board, body: Any) -> Reply:
    """Add a note."""
    text = _checked(body, {"text": str}, ())["text"]
    if not 1 <= len(text) <= 20:
        raise RefusedError(400, "text")
    note = {"id": secrets.token_hex(8), "text": text}
    board.notes[note["id"]] = note
    return 201, note


def show_note(board: Board, note_id: str) -> Reply:
    """Show a note."""
    return 200, _note(board, note_id)


def drop_note(board: Board, note_id: str) -> Reply:
    """Remove a note."""
    del _note(board, note_id)["text"]
    owner = next(b for b in BOARDS.values() if note_id in b.notes)
    if FAULT == "undead":
        owner.notes[note_id]["text"] = "back again"
    else:
        del owner.notes[note_id]
    return 204, None


def _note(board: Board, note_id: str) -> dict[str, Any]:
    boards = BOARDS.values() if FAULT == "others-notes" else (board,)
    for one in boards:
        if note_id in one.notes:
            return one.notes[note_id]
    raise RefusedError(404)


def _key(board: Board, scopes: frozenset[str], ttl_s: int) -> str:
    key = secrets.token_urlsafe(16)
    KEYS[key] = board, scopes, time.time() + ttl_s
    return key


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise RefusedError(400, "query.limit")
    return int(text)


def _checked(body: Any, members: dict[str, type], optional: tuple[str, ...]) -> Any:
    if not isinstance(body, dict):
        raise RefusedError(400, "body")
    for name in body:
        if name not in members:
            raise RefusedError(400, name)
    for name, kind in members.items():
        if name not in body and name not in optional:
            raise RefusedError(400, name)
        wrong = name in body and not isinstance(body[name], kind)
        if wrong or isinstance(body.get(name), bool):
            raise RefusedError(400, name)
        if kind is list and not all(isinstance(element, str) for element in body[name]):
            raise RefusedError(400, f"{name}[0]")
    return body


ROUTES: dict[tuple[str, str], tuple[Callable[[Any, Any], Reply], str]] = {
    ("POST", "/boards"): (new_board, ""),
    ("POST", "/keys"): (new_key, "any"),
    ("POST", "/sessions"): (new_session, "note:read"),
    ("POST", "/renewals"): (renew_session, ""),
    ("GET", "/board"): (show_board, "note:read"),
    ("PUT", "/board"): (name_board, "note:write"),
    ("GET", "/notes"): (list_notes, "note:read"),
    ("POST", "/notes"): (add_note, "note:write"),
    ("GET", "/notes/{note_id}"): (show_note, "note:read"),
    ("DELETE", "/notes/{note_id}"): (drop_note, "note:write"),
}


def _text(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _object(**members: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }


_NOTE = _object(id={"type": "string"}, text={"type": "string"})
_BOARD = _object(id={"type": "string"}, title={"type": "string"})
_KEY = _object(id={"type": "string"}, key={"type": "string"})
_PAIR = _object(
    id={"type": "string"},
    access_token={"type": "string"},
    refresh_token={"type": "string"},
    expires_in={"type": "integer"},
)
BODIES = {
    "POST /sessions": {
        **_object(ttl_s={"type": "integer", "minimum": 1, "maximum": TTL_S}),
        "required": [],
    },
    "POST /renewals": _object(refresh_token={"type": "string"}),
    "POST /keys": _object(
        scopes={"type": "array", "items": {"type": "string", "enum": sorted(SCOPES)}}
    ),
    "PUT /board": _object(title=_text(40)),
    "POST /notes": _object(text=_text(20)),
}
ANSWERS = {
    "POST /sessions": (201, _PAIR),
    "POST /renewals": (200, _PAIR),
    "POST /boards": (201, {**_KEY, "additionalProperties": True}),
    "POST /keys": (201, _KEY),
    "GET /board": (200, _BOARD),
    "PUT /board": (200, _BOARD),
    "GET /notes": (
        200,
        _object(items={"type": "array", "items": _NOTE}, next_cursor={"type": ["string", "null"]}),
    ),
    "POST /notes": (201, _NOTE),
    "GET /notes/{note_id}": (200, _NOTE),
    "DELETE /notes/{note_id}": (204, None),
}
_PROBLEM = {"description": "refused", "content": {"application/problem+json": {"schema": {}}}}


def document() -> dict[str, Any]:
    """Describe the routes, as anybody's service would."""
    paths: dict[str, Any] = {
        path: {
            "get": {
                "responses": {"200": {"description": "up", "content": {"application/json": {}}}}
            }
        }
        for path in ("/health", "/openapi.json")
    }
    for (method, path), (_, scope) in ROUTES.items():
        name = f"{method} {path}"
        status, schema = ANSWERS[name]
        content = {} if schema is None else {"content": {"application/json": {"schema": schema}}}
        item: dict[str, Any] = {
            "responses": {
                str(status): {"description": "done", **content},
                **dict.fromkeys(("400", "401", "403", "404"), _PROBLEM),
            }
        }
        if scope:
            item["security"] = [{"key": []}]
        if name in BODIES:
            item["requestBody"] = {"content": {"application/json": {"schema": BODIES[name]}}}
        if name == "GET /notes":
            item["parameters"] = [
                {"in": "query", "name": "limit",
                 "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                {"in": "query", "name": "cursor", "schema": {"type": "string"}},
            ]  # fmt: skip
        paths.setdefault(path, {})[method.lower()] = item
    return {"openapi": "3.1.0", "info": {"title": "toy", "version": "1"}, "paths": paths}


class Toy(BaseHTTPRequestHandler):
    """Serves the routes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        try:
            with LOCK:
                status, answer = self._answer(
                    url.path, parse_qs(url.query, keep_blank_values=True), raw
                )
        except RefusedError as refusal:
            errors = [{"path": refusal.path, "message": "no"}] if refusal.path else []
            status = refusal.status
            answer = {"type": "about:blank", "title": "no", "status": status, "detail": "no",
                      "errors": errors}  # fmt: skip
        body = b"" if answer is None else msgspec.json.encode(answer)
        kind = "application/json" if status < 400 else "application/problem+json"
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-correlation-id", self.headers.get("x-correlation-id", ""))
        self.send_header("cache-control", "no-store")
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _answer(self, path: str, query: Any, raw: bytes) -> Reply:
        if path == "/health":
            return 200, {"status": "healthy", "version": "1"}
        if path == "/openapi.json":
            return 200, document()
        parts = path.split("/")
        named = path
        if len(parts) == 3 and parts[1] == "notes":
            named = "/notes/{note_id}"
        route = ROUTES.get((self.command, named))
        if route is None:
            raise RefusedError(404)
        handler, scope = route
        board = self._board(scope) if scope else None
        try:
            body = msgspec.json.decode(raw) if raw else None
        except ValueError:
            raise RefusedError(400) from None
        argument = parts[2] if named != path else query if self.command == "GET" else body
        return handler(board, argument)

    def _board(self, scope: str) -> Board:
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        held = KEYS.get(self.headers.get("x-key", bearer))
        if held is None or held[2] < time.time():
            raise RefusedError(401)
        unchecked = FAULT == "scope-unchecked" or (
            FAULT == "unrecorded-unchecked" and self.headers.get("traceparent", "")[-2:] == "00"
        )
        if scope != "any" and scope not in held[1] and not unchecked:
            raise RefusedError(403)
        return held[0]


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Toy) as server:
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
