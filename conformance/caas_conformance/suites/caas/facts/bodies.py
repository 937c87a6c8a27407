"""Valid bodies of the platform's operations, fresh where a second use would be refused."""

from typing import Any

from caas_conformance.laws.parties import Party
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.facts.principals import ADMIN


def new_company(t: CaasContext, _: Party) -> dict[str, Any]:
    """A registration that nobody made yet."""
    return {
        "company_name": t.unique("Law Company"),
        "email": t.email("law"),
        "password": t.password(),
        "plan": "free",
    }


def company_login(_: CaasContext, party: Party) -> dict[str, Any]:
    """The party's administrator."""
    return {"email": party.account.email, "password": party.account.password}


def new_session(t: CaasContext, party: Party) -> dict[str, Any]:
    """A further session of the party's user, on a device of its own."""
    device = {"device_type": "law", "device_name": t.unique("device")}
    return {"user_external_id": party.user, "device_info": device}


def app_credentials(t: CaasContext, party: Party) -> dict[str, Any]:
    """The account's id and secret, for the party's user."""
    return {
        "app_id": party.account.client_id,
        "app_secret": party.account.api_secret,
        "user_external_id": party.user,
        "metadata": {"seen": t.unique("law")},
    }


def new_key(t: CaasContext, _: Party) -> dict[str, Any]:
    """A named key that everybody who may make keys could make."""
    return {"name": t.unique("law"), "scopes": []}


def new_settings(t: CaasContext, _: Party) -> dict[str, Any]:
    """Settings that differ from the default, and a name nobody has."""
    return {
        "company_name": t.unique("Renamed"),
        "settings": {"locale": "de-CH", "timezone": "Europe/Zurich"},
    }


def internal_key(t: CaasContext, _: Party) -> dict[str, Any]:
    """A named key, made by a service on behalf of somebody who may read users."""
    return {
        "name": t.unique("law"),
        "scopes": ["user:read"],
        "created_by": "law",
        "maker_permissions": ["user:read"],
    }


def new_profile(t: CaasContext, _: Party) -> dict[str, Any]:
    """A name and preferences that nobody had before."""
    return {"name": t.unique("Renamed"), "preferences": {"theme": t.unique("dark")}}


def session_token(_: CaasContext, party: Party) -> dict[str, Any]:
    """The token of the party's administrator."""
    return {"token": party.held[(ADMIN, None)]["authorization"].removeprefix("Bearer ")}


def account_key(_: CaasContext, party: Party) -> dict[str, Any]:
    """The account's primary key, used from this machine."""
    return {"api_key": party.account.api_key, "ip_address": "127.0.0.1"}


def internal_app_credentials(t: CaasContext, party: Party) -> dict[str, Any]:
    """The account's id and secret, as the gateway hands them on."""
    return {**app_credentials(t, party), "ip_address": "127.0.0.1", "user_agent": "law"}


def new_name(t: CaasContext, _: Party) -> dict[str, Any]:
    """A company name nobody has."""
    return {"company_name": t.unique("Renamed")}


def new_address(_: CaasContext, _party: Party) -> dict[str, Any]:
    """An address out of a range that nobody calls from."""
    return {"ip": ops.some_address()}


def new_origin(t: CaasContext, _: Party) -> dict[str, Any]:
    """A web origin of the case's own."""
    return {"origin": f"https://{t.unique('law')}.example.com"}
