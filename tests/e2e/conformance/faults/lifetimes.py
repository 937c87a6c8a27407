"""Tokens that live longer than they say, or say it in another unit."""

from typing import Any

from faults.mutant import mutant, part, rewrite_answer


def _times(member: str, factor: int) -> Any:
    def change(status: int, body: Any, _: Any) -> Any:
        if isinstance(body, dict) and member in body:
            body[member] *= factor
        return status, body

    return change


@mutant("L07", red="L07.A13")
def milliseconds_told() -> None:
    """A session says its token's life in milliseconds."""
    rewrite_answer("auth", "POST", "/api/v1/auth/sdk/session", _times("expires_in", 1000))


@mutant("L07", red="L07.A13 L07.G15")
def refreshed_in_minutes() -> None:
    """A refreshed pair says its life in minutes."""

    def minutes(status: int, body: Any, _: Any) -> Any:
        if isinstance(body, dict) and "expires_in" in body:
            body["expires_in"] //= 60
        return status, body

    rewrite_answer("auth", "POST", "/api/v1/auth/sdk/refresh", minutes)


@mutant("L07", red="L07.A13 L07.A26")
def hour_for_users() -> None:
    """A user's token lives an hour, and the answer goes on saying 15 minutes."""
    domain = part("caas.auth.domain.sessions")
    claims = domain.access_claims
    structs = part("msgspec.structs")

    def longer(session: Any, issue: Any) -> Any:
        made = claims(session, issue)
        return structs.replace(made, exp=made.iat + 3600)

    part("caas.auth.service.sessions.sdk").access_claims = domain.access_claims = longer


@mutant("L07", red="L07.A513 L07.G515", place="")  # every service has it
def expiry_ignored() -> None:
    """A token that has expired is taken for another minute."""
    remembered = part("caas.runtime.identity.tokens:_Verified")
    make = remembered.__init__

    def longer(self: Any, claims: Any) -> None:
        make(self, claims)
        self.exp_ms += 60_000

    remembered.__init__ = longer
    reader = part("caas.runtime.identity.jwt_policy:ClaimsReader")
    validate = reader._validate_exp

    def lenient(self: Any, payload: Any, now: float, leeway: float) -> None:
        validate(self, {**payload, "exp": payload["exp"] + 60}, now, leeway)

    reader._validate_exp = lenient


@mutant("L07", red="L07.A513 L07.G515")
def short_lives_forgotten() -> None:
    """A shorter life is granted and forgotten."""
    rewrite = part("caas.auth.service.sessions.sdk")
    session = rewrite.Session

    def forgetful(**members: Any) -> Any:
        return session(**{**members, "ttl_s": None})

    rewrite.Session = forgetful


@mutant("L07", red="L07.A12 L07.G17")
def administrators_for_a_day() -> None:
    """An administrator's token lives a day."""
    domain = part("caas.auth.domain.sessions")

    domain.CLIENT_TTL_S = 24 * 3600
