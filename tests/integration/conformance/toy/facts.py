"""The table of facts of the toy service: all that the laws are told of it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from caas_conformance.authoring.context import CaseContext
from caas_conformance.laws.facts import Book, Operation, Owner, Resource, Token
from caas_conformance.laws.parties import Kind, Party, Principals

KEY = "key"
SESSION = "session"
TTL_S = 600
TOY = "toy"
READ, WRITE = "note:read", "note:write"


class ToyPrincipals(Principals[CaseContext]):
    """A board's keys, with as few scopes as wanted."""

    kinds = (Kind(KEY, narrows=True, person=KEY), Kind(SESSION, person=KEY))
    permissions = frozenset({READ, WRITE})
    observers = (KEY,)
    of_parties = (KEY, SESSION)

    async def party(self, t: CaseContext) -> Party:
        """Open a board."""
        answer = await t.service(TOY).post("/boards", json={})
        (key,) = t.need(answer, "key")
        return Party(t.secret(key), "nobody")

    async def credential(
        self, t: CaseContext, party: Party, kind: str, permissions: frozenset[str] | None
    ) -> Mapping[str, str]:
        """Make a key of the board, or open a session of it."""
        owner = {"x-key": party.account}
        if kind == SESSION:
            opened = await t.service(TOY).post("/sessions", json={}, headers=owner)
            (token,) = t.need(opened, "access_token")
            return {"authorization": f"Bearer {t.secret(token)}"}
        scopes = sorted(self.permissions if permissions is None else permissions)
        answer = await t.service(TOY).post("/keys", json={"scopes": scopes}, headers=owner)
        (key,) = t.need(answer, "key")
        return {"x-key": t.secret(key)}


async def _note(t: CaseContext, party: Party, _: str) -> str:
    answer = await t.service(TOY).post(
        "/notes", json={"text": "made"}, headers={"x-key": party.account}
    )
    (note_id,) = t.need(answer, "id")
    return note_id


def new_note(_: CaseContext, _party: Party) -> dict[str, Any]:
    """A note."""
    return {"text": "a note"}


def new_title(t: CaseContext, _: Party) -> dict[str, Any]:
    """A title that nobody has."""
    return {"title": t.unique("board")}


TOKENS = (Token(at="access_token", kind=SESSION, ttl_s=TTL_S, told_at="expires_in"),)
BOTH = (KEY, SESSION)
OPERATIONS = (
    Operation(number="T01", service=TOY, method="POST", path="/boards", success=201),
    Operation(number="T02", service=TOY, method="POST", path="/keys", opens=BOTH, success=201,
              owner=Owner.PARTY, body={"scopes": [READ]}, makes="key", visible=False),
    Operation(number="T03", service=TOY, method="GET", path="/board", opens=BOTH, scope=READ,
              owner=Owner.PARTY, shows="board"),
    Operation(number="T04", service=TOY, method="PUT", path="/board", opens=(KEY,), scope=WRITE,
              owner=Owner.PARTY, body=new_title, changes="board"),
    Operation(number="T05", service=TOY, method="GET", path="/notes", opens=BOTH, scope=READ,
              owner=Owner.PARTY, lists="note", paged=True),
    Operation(number="T06", service=TOY, method="POST", path="/notes", opens=(KEY,), scope=WRITE,
              owner=Owner.PARTY, success=201, body=new_note, makes="note"),
    Operation(number="T07", service=TOY, method="GET", path="/notes/{note_id}", opens=BOTH,
              scope=READ, owner=Owner.PARTY, shows="note"),
    Operation(number="T08", service=TOY, method="DELETE", path="/notes/{note_id}", opens=(KEY,),
              scope=WRITE, owner=Owner.PARTY, success=204, ends="note"),
    Operation(number="T11", service=TOY, method="POST", path="/sessions", opens=BOTH,
              scope=READ, owner=Owner.PARTY, success=201, body={}, makes="session",
              visible=False, issues=TOKENS, renewed_by="T12", shorter="ttl_s"),
    Operation(number="T12", service=TOY, method="POST", path="/renewals", issues=TOKENS),
    Operation(number="T09", service=TOY, method="GET", path="/health"),
    Operation(number="T10", service=TOY, method="GET", path="/openapi.json"),
)  # fmt: skip

BOOK = Book(
    principals=ToyPrincipals(),
    operations=OPERATIONS,
    resources=(
        Resource(
            name="note",
            parameter="note_id",
            owner=Owner.PARTY,
            make=_note,
            unknown="0123456789abcdef",
        ),
    ),
    secret=frozenset({"key", "access_token", "refresh_token"}),
    requirements=defaultdict(lambda: ("REQ-01",)),
)
