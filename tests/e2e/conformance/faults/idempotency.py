"""Repetitions that have a second effect, or give an answer to somebody else."""

from typing import Any

from faults.mutant import mutant, part


@mutant("L06", red="L06.G05 L06.A32 L06.A11")
def keys_ignored() -> None:
    """`Idempotency-Key` is read and nothing comes of it."""
    idempotency = part("caas.runtime.http.idempotency:Idempotency")

    async def serve(_self: Any, _request: Any, run: Any, send: Any, **_: Any) -> None:
        await run(send)

    idempotency.serve = serve


@mutant("L06", red="L06.G05")
def one_key_for_all() -> None:
    """A key is the same whoever uses it."""
    idempotency = part("caas.runtime.http.idempotency:Idempotency")
    make = idempotency.__init__

    async def anybody(_request: Any) -> str:
        return "anybody"

    def forgetful(self: Any, *args: Any, **named: Any) -> None:
        make(self, *args, **{**named, "principal": anybody})

    idempotency.__init__ = forgetful


@mutant("L06", red="L06.G05 L06.G15 L06.A32")
def other_bodies_taken() -> None:
    """Another body under a used key gets the first one's answer."""
    seal = part("caas.runtime.http.idempotency:_Seal")

    seal.fingerprint = lambda _self, _body: b"the same"


@mutant("L06", red="L06.A32")
def repeats_unguarded() -> None:
    """A stored answer is given without the route's guards."""
    idempotency = part("caas.runtime.http.idempotency:Idempotency")
    serve = idempotency.serve

    async def nobody(_request: Any) -> str:
        return "nobody"

    async def unguarded(self: Any, request: Any, run: Any, send: Any, **_: Any) -> None:
        self._principal = nobody
        await serve(self, request, run, send)

    idempotency.serve = unguarded


@mutant("L06", red="L06.G05")
def no_lock() -> None:
    """Repetitions find an answer that is there, and do not wait for one that is being made."""
    idempotency = part("caas.runtime.http.idempotency:Idempotency")
    take = idempotency._take_or_wait
    read = part("caas.runtime.http.idempotency")._read_record

    async def impatient(self: Any, seal: Any, mine: bytes, body: bytes, authorize: Any) -> Any:
        found = await self._store.get(seal.name)
        if found is not None and read(found).state == "running":
            return None
        return await take(self, seal, mine, body, authorize)

    idempotency._take_or_wait = impatient
