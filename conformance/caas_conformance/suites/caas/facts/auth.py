"""The auth service's operations, for applications, administrators and other services."""

from caas_conformance.laws.facts import Operation, Owner
from caas_conformance.laws.parties import Party
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext
from caas_conformance.suites.caas.facts import bodies
from caas_conformance.suites.caas.facts.principals import (
    ADMIN,
    CLIENT_TOKENS,
    KEY,
    SERVICE,
    SESSION_TOKENS,
    USER,
)
from caas_conformance.suites.caas.facts.resources import (
    ACCOUNT_KEY,
    ADDRESS,
    API_KEY,
    ORIGIN,
    PROFILE,
    SESSION,
    TENANT,
)

AUTH = "auth-service"
A = "/api/v1/auth"
C = f"{A}/client"
INTERNAL = f"{A}/internal"
TENANTS = INTERNAL + "/tenants/{tenant_id}"
BEARERS = (ADMIN, USER)
ADMINISTRATION = (SERVICE, ADMIN)
LOGIN = frozenset({"email", "password"})
APP = frozenset({"app_id", "app_secret"})
ANYONE = frozenset({"client_id"})
OWNER = ("client_id",)
OK = 200


async def _rotated(t: CaasContext, party: Party) -> None:
    """See to it that the account has a secondary key."""
    answer = await ops.administer_key(t, ops.ROTATE, party.account)
    if answer.status != OK:
        t.setup_failed(answer, "rotate the account's key", OK)


OPERATIONS = (
    Operation(number="A01", service=AUTH, method="GET", path="/.well-known/jwks.json"),
    Operation(number="A02", service=AUTH, method="POST", path=f"{C}/api-keys/rotate",
              opens=ADMINISTRATION, owner=Owner.PARTY, idempotent=True, body_varies=False,
              id_at="secondary_key", body={}, in_body=OWNER, loose=ANYONE, changes=ACCOUNT_KEY,
              visible=False),
    Operation(number="A03", service=AUTH, method="POST", path=f"{C}/api-keys/promote",
              opens=ADMINISTRATION, owner=Owner.PARTY, body={}, in_body=OWNER, loose=ANYONE,
              ready=_rotated, changes=ACCOUNT_KEY, visible=False),
    Operation(number="A04", service=AUTH, method="POST", path=f"{C}/api-keys/revoke",
              opens=ADMINISTRATION, owner=Owner.PARTY, body={"key": "secondary"}, in_body=OWNER,
              loose=ANYONE, ready=_rotated, changes=ACCOUNT_KEY, visible=False),
    Operation(number="A05", service=AUTH, method="GET", path=f"{C}/ip-whitelist",
              opens=ADMINISTRATION, owner=Owner.PARTY, in_query=OWNER, lists=ADDRESS),
    Operation(number="A06", service=AUTH, method="POST", path=f"{C}/ip-whitelist",
              opens=ADMINISTRATION, owner=Owner.PARTY, success=201, body=bodies.new_address,
              in_body=OWNER, loose=ANYONE, makes=ADDRESS, id_at="ip"),
    Operation(number="A07", service=AUTH, method="DELETE", path=f"{C}/ip-whitelist",
              opens=ADMINISTRATION, owner=Owner.PARTY, in_query=("ip", *OWNER), ends=ADDRESS),
    Operation(number="A08", service=AUTH, method="GET", path=f"{C}/origin-whitelist",
              opens=ADMINISTRATION, owner=Owner.PARTY, in_query=OWNER, lists=ORIGIN),
    Operation(number="A09", service=AUTH, method="POST", path=f"{C}/origin-whitelist",
              opens=ADMINISTRATION, owner=Owner.PARTY, success=201, body=bodies.new_origin,
              in_body=OWNER, loose=ANYONE, makes=ORIGIN, id_at="origin"),
    Operation(number="A10", service=AUTH, method="DELETE", path=f"{C}/origin-whitelist",
              opens=ADMINISTRATION, owner=Owner.PARTY, in_query=("origin", *OWNER), ends=ORIGIN),
    Operation(number="A11", service=AUTH, method="POST", path=f"{C}/register", success=201,
              idempotent=True, body=bodies.new_company, makes=TENANT, id_at="tenant_id"),
    Operation(number="A12", service=AUTH, method="POST", path=f"{C}/login",
              body=bodies.company_login, loose=LOGIN, issues=CLIENT_TOKENS),
    Operation(number="A13", service=AUTH, method="POST", path=f"{A}/sdk/session", opens=(KEY,),
              scope="sdk:session:create", owner=Owner.PERSON, idempotent=True,
              body=bodies.new_session, makes=SESSION, id_at="session_id", issues=SESSION_TOKENS,
              renewed_by="A14", shorter="ttl_s"),
    Operation(number="A14", service=AUTH, method="POST", path=f"{A}/sdk/refresh",
              issues=SESSION_TOKENS),
    Operation(number="A15", service=AUTH, method="POST", path=f"{A}/sdk/logout", opens=BEARERS,
              owner=Owner.PERSON, ends=SESSION, itself=True),
    Operation(number="A16", service=AUTH, method="POST", path=f"{A}/validate",
              body=bodies.session_token, loose=frozenset({"token"})),
    Operation(number="A17", service=AUTH, method="GET", path="/api/v1/sessions", opens=BEARERS,
              scope="user:read", owner=Owner.PERSON, lists=SESSION, id_at="session_id", paged=True,
              items_at="sessions"),
    Operation(number="A18", service=AUTH, method="GET", path="/api/v1/sessions/{session_id}",
              opens=BEARERS, scope="user:read", owner=Owner.PERSON, shows=SESSION),
    Operation(number="A19", service=AUTH, method="DELETE", path="/api/v1/sessions/{session_id}",
              opens=BEARERS, scope="user:write", owner=Owner.PERSON, ends=SESSION),
    Operation(number="A20", service=AUTH, method="DELETE", path="/api/v1/sessions/others",
              opens=BEARERS, scope="user:write", owner=Owner.PERSON, ends=SESSION, itself=True),
    Operation(number="A21", service=AUTH, method="DELETE", path="/api/v1/sessions/all",
              opens=BEARERS, scope="user:write", owner=Owner.PERSON, ends=SESSION, itself=True),
    Operation(number="A22", service=AUTH, method="GET", path="/api/v1/users/profile",
              opens=(USER,), scope="user:read", owner=Owner.PERSON, shows=PROFILE),
    Operation(number="A23", service=AUTH, method="PUT", path="/api/v1/users/profile",
              opens=(USER,), scope="user:write", owner=Owner.PERSON, body=bodies.new_profile,
              changes=PROFILE),
    Operation(number="A24", service=AUTH, method="POST", path=f"{INTERNAL}/validate",
              opens=(SERVICE,), body=bodies.session_token, loose=frozenset({"token"})),
    Operation(number="A25", service=AUTH, method="POST", path=f"{INTERNAL}/validate-api-key",
              opens=(SERVICE,), body=bodies.account_key, loose=frozenset({"api_key"})),
    Operation(number="A26", service=AUTH, method="POST", path=f"{INTERNAL}/sdk-token",
              opens=(SERVICE,), owner=Owner.PERSON, idempotent=True,
              body=bodies.internal_app_credentials, loose=APP, makes=SESSION, id_at="session_id",
              issues=SESSION_TOKENS, renewed_by="A14"),
    Operation(number="A27", service=AUTH, method="POST", path=f"{INTERNAL}/signing-keys/rotate",
              opens=(SERVICE,), success=201, lone=True, visible=False, repeatable=False),
    Operation(number="A28", service=AUTH, method="GET", path=TENANTS, opens=(SERVICE,),
              owner=Owner.PARTY, shows=TENANT),
    Operation(number="A29", service=AUTH, method="PATCH", path=TENANTS, opens=(SERVICE,),
              owner=Owner.PARTY, body=bodies.new_name, changes=TENANT),
    Operation(number="A30", service=AUTH, method="GET", path=TENANTS + "/usage", opens=(SERVICE,),
              owner=Owner.PARTY),
    Operation(number="A31", service=AUTH, method="GET", path=TENANTS + "/api-keys",
              opens=(SERVICE,), owner=Owner.PARTY, lists=API_KEY, paged=True),
    Operation(number="A32", service=AUTH, method="POST", path=TENANTS + "/api-keys",
              opens=(SERVICE,), owner=Owner.PARTY, success=201, idempotent=True,
              body=bodies.internal_key, loose=frozenset({"scopes", "maker_permissions"}),
              makes=API_KEY),
    Operation(number="A33", service=AUTH, method="GET", path=TENANTS + "/api-keys/{api_key_id}",
              opens=(SERVICE,), owner=Owner.PARTY, shows=API_KEY),
    Operation(number="A34", service=AUTH, method="DELETE", path=TENANTS + "/api-keys/{api_key_id}",
              opens=(SERVICE,), owner=Owner.PARTY, success=204, ends=API_KEY),
    Operation(number="A35", service=AUTH, method="GET", path="/health"),
    Operation(number="A36", service=AUTH, method="GET", path="/internal/health"),
    Operation(number="A37", service=AUTH, method="GET", path="/internal/ready"),
    Operation(number="A38", service=AUTH, method="GET", path="/internal/health/detailed"),
    Operation(number="A39", service=AUTH, method="GET", path="/internal/metrics"),
)  # fmt: skip
