"""Where the platform compares addresses and origins, and how one sees what it found."""

from typing import Any

from caas_conformance.laws.parties import Party
from caas_conformance.laws.wide.facts import Comparison
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import CREATED, OK
from caas_conformance.wire.answer import Answer

CONFLICT, FORBIDDEN, NOT_FOUND, UNAUTHORIZED = 409, 403, 404, 401
HERE = "127.0.0.1"
PASSWORD = "password"  # noqa: S105 - a name
ORIGIN = "origin"


def _registration(t: CaasContext, party: Party, email: str) -> dict[str, Any]:
    password = party.ids.setdefault(("", PASSWORD), t.password())
    return {
        "company_name": t.unique("Spelt"), "email": email, "password": password, "plan": "free",
    }  # fmt: skip


async def _register(t: CaasContext, party: Party, email: str) -> None:
    answer = await _register_again(t, party, email)
    if answer.status != CREATED:
        t.setup_failed(answer, "register a company", CREATED)


async def _register_again(t: CaasContext, party: Party, email: str) -> Answer:
    answer = await t.auth.post(ops.REGISTER, json=_registration(t, party, email))
    for member in ("api_key", "api_secret"):
        if answer.status == CREATED:
            t.secret(str(answer.at(member).value))
    return answer


async def _log_in(t: CaasContext, party: Party, email: str) -> Answer:
    body = {"email": email, "password": party.ids[("", PASSWORD)]}
    # From elsewhere each time: wrong guesses of one address are limited.
    return ops.keep_secret(
        t,
        await t.gateway.post(
            "/v1/client/login", json=body, headers=ops.from_address(t, ops.some_address())
        ),
    )


async def _list_address(t: CaasContext, party: Party, address: str) -> None:
    await _list(t, party, ops.IP_WHITELIST, "ip", address)


async def _list_origin(t: CaasContext, party: Party, origin: str) -> None:
    await _list(t, party, ops.ORIGIN_WHITELIST, ORIGIN, origin)


async def _list(t: CaasContext, party: Party, path: str, member: str, value: str) -> None:
    body = {member: value, "client_id": party.account.client_id}
    answer = await t.auth.post(path, json=body, headers=t.service_secret())
    if answer.status != CREATED:
        t.setup_failed(answer, f"list the {member}", CREATED)


async def _checked_from(t: CaasContext, party: Party, address: str) -> Answer:
    return await ops.validate_key(t, party.account.api_key, ip=address)


async def _checked_with(t: CaasContext, party: Party, origin: str) -> Answer:
    return await ops.validate_key(t, party.account.api_key, origin=origin)


async def _session_from(t: CaasContext, party: Party, address: str) -> Answer:
    headers = {"x-api-key": party.account.api_key, **ops.from_address(t, address)}
    return await _session(t, headers)


async def _session_with(t: CaasContext, party: Party, origin: str) -> Answer:
    return await _session(t, {"x-api-key": party.account.api_key, ORIGIN: origin})


async def _session(t: CaasContext, headers: dict[str, str]) -> Answer:
    body = {"user_external_id": t.unique("user"), "device_info": {"device_type": "law"}}
    answer = await t.gateway.post("/v1/sdk/session", json=body, headers=headers)
    return ops.keep_secret(t, answer)


async def _unlist_address(t: CaasContext, party: Party, address: str) -> Answer:
    return await _unlist(t, party, ops.IP_WHITELIST, "ip", address)


async def _unlist_origin(t: CaasContext, party: Party, origin: str) -> Answer:
    return await _unlist(t, party, ops.ORIGIN_WHITELIST, ORIGIN, origin)


async def _unlist(t: CaasContext, party: Party, path: str, member: str, value: str) -> Answer:
    query = {member: value, "client_id": party.account.client_id}
    return await t.auth.delete(path, query=query, headers=t.service_secret())


COMPARISONS = (
    Comparison(
        number="A01",
        what="registering again",
        format="email",
        keep=_register,
        show=_register_again,
        same=CONFLICT,
        different=CREATED,
        code="auth.email_taken",
    ),
    Comparison(
        number="G01",
        what="logging in",
        format="email",
        keep=_register,
        show=_log_in,
        same=OK,
        different=UNAUTHORIZED,
        code="auth.credentials_invalid",
    ),
    Comparison(
        number="A02",
        what="a key checked from",
        format="address",
        keep=_list_address,
        show=_checked_from,
        same=OK,
        different=FORBIDDEN,
        code="auth.address_not_allowed",
    ),
    Comparison(
        number="A03",
        what="a key checked from a network",
        format="network",
        keep=_list_address,
        show=_checked_from,
        same=OK,
        different=FORBIDDEN,
        code="auth.address_not_allowed",
    ),
    Comparison(
        number="G02",
        what="a session opened through a proxy from",
        format="address",
        keep=_list_address,
        show=_session_from,
        same=OK,
        different=FORBIDDEN,
        code="auth.address_not_allowed",
    ),
    Comparison(
        number="A04",
        what="taking an address off the list",
        format="address",
        keep=_list_address,
        show=_unlist_address,
        same=OK,
        different=NOT_FOUND,
        code="auth.whitelist_entry_not_found",
        uses_up=True,
    ),
    Comparison(
        number="A05",
        what="a key checked with",
        format="origin",
        keep=_list_origin,
        show=_checked_with,
        same=OK,
        different=FORBIDDEN,
        code="auth.origin_not_allowed",
    ),
    Comparison(
        number="G03",
        what="a session opened by a browser at",
        format="origin",
        keep=_list_origin,
        show=_session_with,
        same=OK,
        different=FORBIDDEN,
        code="auth.origin_not_allowed",
    ),
)
