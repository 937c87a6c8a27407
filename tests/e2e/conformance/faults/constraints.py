"""Requests that are read more kindly than they are documented."""

from typing import Any

from faults.mutant import change_request, mutant, rewrite_answer

KEYS = "/v1/auth/api-keys"
REGISTER = "/api/v1/auth/client/register"


@mutant("L02", red="L02.A11")
def unknown_members_ignored() -> None:
    """A member that nobody knows is dropped instead of refused."""
    known = {"company_name", "email", "password", "plan"}
    change_request("auth", "POST", REGISTER, body=lambda b: _kept(b, known))


@mutant("L02", red="L02.G05", place="gateway")
def long_names_cut() -> None:
    """A name that is too long is cut instead of refused."""

    def cut(body: Any) -> Any:
        if isinstance(body, dict) and isinstance(body.get("name"), str):
            body["name"] = body["name"][:100]
        return body

    change_request("gateway", "POST", KEYS, body=cut)


@mutant("L02", red="L02.G04", place="gateway")
def limits_clamped() -> None:
    """A page size out of range is brought into it instead of refused."""
    change_request(
        "gateway", "GET", KEYS, query=lambda q: q.replace(b"limit=101", b"limit=100").replace(
            b"limit=0", b"limit=1"))  # fmt: skip


@mutant("L02", red="L02.A23")
def numbers_taken_for_text() -> None:
    """A number is taken where a text is documented."""

    def as_text(body: Any) -> Any:
        if isinstance(body, dict) and isinstance(body.get("name"), int):
            body["name"] = str(body["name"])
        return body

    change_request("auth", "PUT", "/api/v1/users/profile", body=as_text)


@mutant("L02", red="L02.G16", place="gateway")
def null_for_left_out() -> None:
    """A null is taken for a member that was left out."""

    def without_nulls(body: Any) -> Any:
        if isinstance(body, dict):
            return {k: v for k, v in body.items() if v is not None}
        return body

    change_request("gateway", "POST", "/v1/client/register", body=without_nulls)


@mutant("L02", red="L02.A32")
def errors_name_nothing() -> None:
    """A refused body is refused without saying what of it."""

    def nameless(status: int, body: Any, _: Any) -> Any:
        if isinstance(body, dict):
            body.pop("errors", None)
        return status, body

    rewrite_answer("auth", "POST", "/api/v1/auth/internal/tenants/*", nameless)


@mutant("L02", red="L02.A26")
def edge_refused() -> None:
    """A value at its documented edge is refused."""

    def refused(body: Any) -> Any:
        if isinstance(body, dict) and len(str(body.get("user_external_id", ""))) > 200:
            body["user_external_id"] = "x" * 1000
        return body

    change_request("auth", "POST", "/api/v1/auth/internal/sdk-token", body=refused)


def _kept(body: Any, known: set[str]) -> Any:
    return {k: v for k, v in body.items() if k in known} if isinstance(body, dict) else body
