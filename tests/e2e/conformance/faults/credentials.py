"""Tokens, keys, sessions and logins that are believed, or die, when they should not."""

from typing import Any

from faults.mutant import mutant, part


@mutant("S16", "L04", red="S16.03")
def revocation_ignored() -> None:
    """An ended session's token is still taken."""
    log = part("caas.runtime.identity.revocation:RevocationLog")

    log.is_revoked = lambda _self, _session_id: False


@mutant("S07", red="S07.04")
def reuse_accepted() -> None:
    """An old refresh token is taken for the newest."""
    presented = part("caas.auth.domain.sessions:Presented")
    sdk_sessions = part("caas.auth.service.sessions.sdk")

    sdk_sessions.judge = lambda *_, **__: presented.JUST_REPLACED


@mutant("X02", red="X02.07")
def signature_unchecked() -> None:
    """Tokens are believed without a look at their signature."""
    algorithm = part("jwt.algorithms:OKPAlgorithm")

    algorithm.verify = lambda *_: True


@mutant("S12", red="S12.03")
def whitelist_ignored() -> None:
    """A key may be used from anywhere, whatever its owner listed."""
    key_check = part("caas.auth.service.keys.check")

    key_check.address_allowed = lambda *_: True


@mutant("S12", red="S12.11")
def origins_ignored() -> None:
    """A key may be used from any web origin, whatever its owner listed."""
    key_check = part("caas.auth.service.keys.check")

    key_check.origin_allowed = lambda *_: True


@mutant("S03", red="S03.05")
def promoted_key_lives() -> None:
    """After a promotion the old primary key still works."""
    client = part("caas.auth.domain.clients:Client")
    key_with = client.key_with
    first: dict[str, Any] = {}

    def remembering(self: Any, digest: str) -> Any:
        found = key_with(self, digest)
        if found is not None:
            first[digest] = found
        return found or first.get(digest)

    client.key_with = remembering
    store = part("caas.auth.store.clients:MongoClientStore")
    by_digest = store.by_key_digest
    owners: dict[str, Any] = {}

    async def lasting(self: Any, digest: str) -> Any:
        found = await by_digest(self, digest)
        if found is not None:
            owners[digest] = found
        return found or owners.get(digest)

    store.by_key_digest = lasting


@mutant("S02", red="S02.05")
def duplicates_stored() -> None:
    """Nothing in the database keeps an e-mail address from registering twice."""
    index_model = part("pymongo:IndexModel")
    document = part("caas.auth.store.documents:ClientDocument")

    document.Settings.indexes = [index_model("email_key")]


@mutant("S02", red="S02.31")
def any_password() -> None:
    """A login takes any password."""
    hasher = part("caas.auth.service.passwords:ArgonHasher")

    async def verify(*_: Any, **__: Any) -> bool:
        return True

    hasher.verify = verify


@mutant("S08", red="S08.46", place="")
def unlimited() -> None:
    """Nobody is ever over the limit."""
    decision = part("caas.runtime.ratelimit:Decision")

    decision.allowed = property(lambda _self: True)
