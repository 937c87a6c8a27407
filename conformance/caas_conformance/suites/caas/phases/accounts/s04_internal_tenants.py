"""S04, tenants: services read and change at auth what the gateway shows to the tenant."""

from caas_conformance.authoring import TIMESTAMP, UUID, exactly, list_of
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.fixtures import Tenant
from caas_conformance.suites.caas.phases.accounts.s04_internal_validation import PHASE

SCOPES = ["message:read"]


def _at(tenant: Tenant, path: str = "") -> str:
    return f"{ops.AUTH}/internal/tenants/{tenant.tenant_id}{path}"


@PHASE.case(
    "S04.40",
    "A service renames a tenant",
    proves="A new name is the tenant's at once, and its neighbour keeps its own.",
    requirements=["AUTH-INT-07", "GW-TEN-06"],
    baseline=[27],
)
async def service_renames_a_tenant(t: CaasContext) -> None:
    """Red when the name is not kept, or is another tenant's too."""
    tenant, other = await t.tenants.register(), await t.tenants.register()
    name = t.unique("Renamed Company")
    secret = t.service_secret()
    answer = await t.auth.patch(_at(tenant), json={"company_name": name}, headers=secret)
    read = await t.auth.get(_at(tenant), headers=secret)
    neighbour = await t.auth.get(_at(other), headers=secret)
    with t.check("renamed", "the answer and the next read have the new name") as check:
        for one in (answer, read):
            check.status(one, 200)
            check.equal(one.at("company_name"), name)
        check.equal(answer.body, read.body)
    with t.check("neighbour", "the other company has its own") as check:
        check.equal(neighbour.at("company_name"), other.company_name)


@PHASE.case(
    "S04.41",
    "A service counts what a tenant uses",
    proves="Users, open sessions and keys are counted as they are, for that tenant alone.",
    requirements=["AUTH-INT-07", "GW-TEN-04"],
    baseline=[28],
)
async def service_counts_usage(t: CaasContext) -> None:
    """Red when a session of another tenant counts, or one of its own does not."""
    tenant, other = await t.tenants.register(), await t.tenants.register()
    await tenant.session("alice")
    await tenant.session("bob")
    await other.session("carol")
    answer = await t.auth.get(_at(tenant, "/usage"), headers=t.service_secret())
    with t.check("counted", "two users with a session each, and the account's own key") as check:
        check.status(answer, 200)
        check.matches(
            answer.body,
            exactly(
                {
                    "tenant_id": tenant.tenant_id,
                    "users": 2,
                    "active_sessions": 2,
                    "api_keys": 1,
                    "as_of": TIMESTAMP,
                }
            ),
        )


@PHASE.case(
    "S04.42",
    "A service makes, shows and kills a named key",
    proves="A key made for a tenant's user is listed without its secret, and dies when deleted.",
    requirements=["AUTH-INT-07", "GW-KEY-02", "GW-KEY-04"],
    baseline=[30, 31, 32],
)
async def service_keeps_named_keys(t: CaasContext) -> None:
    """Red when the secret is shown again, or the key outlives its deletion."""
    tenant, secret = await t.tenants.register(), t.service_secret()
    maker = t.unique("maker")
    made = ops.keep_secret(
        t,
        await t.auth.post(
            _at(tenant, "/api-keys"),
            json={
                "name": "nightly", "scopes": SCOPES, "created_by": maker,
                "maker_permissions": SCOPES,
            },
            headers=secret,
        ),
    )  # fmt: skip
    with t.check("made", "it is made with its scopes, and shown") as check:
        check.status(made, 201)
        check.matches(made.body, {"id": UUID, "name": "nightly", "scopes": SCOPES, "key": str})
    key, key_id = t.need(made, "key", "id")
    shown = await t.auth.get(_at(tenant, f"/api-keys/{key_id}"), headers=secret)
    listed = await t.auth.get(_at(tenant, "/api-keys"), headers=secret)
    with t.check("shown", "one by one and in the list, without its secret") as check:
        check.status(shown, 200)
        check.matches(shown.body, {"id": key_id, "created_by": maker, "last_used_at": None})
        check.absent(shown, "key")
        check.matches(listed.at("items"), list_of({"id": key_id}, at_least=1, at_most=1))
        check.lacks(listed.text, key)
    gone = await t.auth.delete(_at(tenant, f"/api-keys/{key_id}"), headers=secret)
    after = await t.auth.get(_at(tenant, f"/api-keys/{key_id}"), headers=secret)
    refused = await ops.validate_key(t, key)
    with t.check("gone", "after its deletion it is neither there nor accepted") as check:
        check.status(gone, 204)
        check.problem(after, 404, code="auth.api_key_not_found")
        check.problem(refused, 401, code="auth.api_key_invalid", valid=False)


@PHASE.case(
    "S04.43",
    "A service opens a session with an app's id and secret",
    proves="What the gateway trades for a token opens a session of that very user at auth.",
    requirements=["GW-SDK-01", "AUTH-INT-07"],
    baseline=[33],
)
async def service_opens_a_session(t: CaasContext) -> None:
    """Red when the session is another user's, or a wrong secret opens one."""
    tenant = await t.tenants.register()
    body = {
        "app_id": tenant.client_id,
        "app_secret": tenant.api_secret,
        "ip_address": "127.0.0.1",
        "user_external_id": t.unique("app-user"),
    }
    path = f"{ops.AUTH}/internal/sdk-token"
    opened = ops.keep_secret(t, await t.auth.post(path, json=body, headers=t.service_secret()))
    wrong = await t.auth.post(
        path, json=body | {"app_secret": t.secret(t.unique("wrong"))}, headers=t.service_secret()
    )
    with t.check("opened", "the session is of that user in that tenant") as check:
        check.status(opened, 200)
        check.matches(
            opened.at("user"),
            {"external_id": body["user_external_id"], "tenant_id": tenant.tenant_id},
        )
        check.equal(ops.token_claims(opened).at("session_id"), opened.at("session_id"))
    with t.check("wrong-secret", "a wrong secret opens nothing") as check:
        check.problem(wrong, 401, code="auth.app_credentials_invalid")
        check.absent(wrong, "access_token", "session_id")
