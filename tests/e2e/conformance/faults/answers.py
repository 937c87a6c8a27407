"""Answers that changed, lack something, or show too much; and crashes."""

from typing import Any

from faults.mutant import mutant, part, rewrite_answer


@mutant("S02", red="S02.01")
def status_changed() -> None:
    """Registration says 200 instead of 201."""
    path = "/api/v1/auth/client/register"
    rewrite_answer("auth", "POST", path, lambda s, b, _: (200 if s == 201 else s, b))


@mutant("S04", red="S04.01")
def member_dropped() -> None:
    """The key check forgets the plan."""

    def without_plan(status: int, body: Any, _: Any) -> Any:
        body.get("client", {}).pop("plan", None)
        return status, body

    rewrite_answer("auth", "POST", "/api/v1/auth/internal/validate-api-key", without_plan)


@mutant("S06", red="S06.02")
def insides_shown() -> None:
    """The public check returns a member of the stored document."""

    def with_insides(status: int, body: Any, _: Any) -> Any:
        if "session" in body:
            body["session"]["_id"] = "699e069dfadf2fa6c365be3a"
        return status, body

    rewrite_answer("auth", "POST", "/api/v1/auth/validate", with_insides)


@mutant("S04", red="S04.04")
def crash_on_unknown_key() -> None:
    """A key that was never issued is a 500."""
    store = part("caas.auth.store.clients:MongoClientStore")

    async def by_key_digest(_self: Any, digest: str) -> Any:
        raise KeyError(digest)

    store.by_key_digest = by_key_digest


@mutant("X05", red="X05.06", place="")
def header_missing() -> None:
    """Answers come without `x-content-type-options`."""
    headers = part("caas.runtime.http.edge.headers")
    fewer = tuple(h for h in headers.SECURITY_HEADERS if h[0] != b"x-content-type-options")
    headers.SECURITY_HEADERS = fewer


@mutant("S04", red="S04.30", place="", only="contract")
def correlation_lost() -> None:
    """Refusals come without the id that finds them in the logs."""
    reply = part("caas.runtime.http.edge.reply:Reply")
    base = reply._base

    def nameless(self: Any) -> Any:
        fields = base(self)
        return fields if self.status < 400 else [f for f in fields if f[0] != b"x-correlation-id"]

    reply._base = nameless


@mutant("S01", "S03", red="S03.01", only="contract")
def storage_id_shown() -> None:
    """A new account's answer has a member that no document names."""
    shown = {"_id": "699e069dfadf2fa6c365be3a"}
    rewrite_answer("auth", "POST", "/api/v1/auth/client/register", lambda s, b, _: (s, b | shown))


@mutant("S01", "S13", red="S13.01")
def time_of_another_format() -> None:
    """A profile's times are of no format that clients read."""

    def with_blank(status: int, body: Any, _: Any) -> Any:
        if "created_at" in body:
            body["created_at"] = body["created_at"].replace("T", " ")
        return status, body

    rewrite_answer("auth", "GET", "/api/v1/users/profile", with_blank)


@mutant("L00", red="L00.G00", place="gateway")
def operation_undocumented() -> None:
    """An operation is served and missing from the document."""

    def without(status: int, body: Any, _: Any) -> Any:
        body["paths"].pop("/v1/tenant/usage")
        return status, body

    rewrite_answer("gateway", "GET", "/documentation/json", without)


@mutant("L00", red="L00.A00")
def security_undocumented() -> None:
    """A protected operation is documented as open."""

    def opened(status: int, body: Any, _: Any) -> Any:
        body["paths"]["/api/v1/users/profile"]["get"].pop("security")
        return status, body

    rewrite_answer("auth", "GET", "/documentation/json", opened)
