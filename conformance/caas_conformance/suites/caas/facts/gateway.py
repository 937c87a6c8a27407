"""The gateway's operations."""

from caas_conformance.laws.facts import Operation, Owner
from caas_conformance.suites.caas.facts.bodies import (
    app_credentials,
    company_login,
    new_company,
    new_key,
    new_session,
    new_settings,
)
from caas_conformance.suites.caas.facts.principals import (
    ADMIN,
    CLIENT_TOKENS,
    KEY,
    SESSION_TOKENS,
    USER,
)
from caas_conformance.suites.caas.facts.resources import (
    API_KEY,
    SESSION,
    TENANT,
)

GATEWAY = "gateway"
BEARERS = (ADMIN, USER)
ANY_OF_TENANT = (ADMIN, USER, KEY)


OPERATIONS = (
    Operation(number="G01", service=GATEWAY, method="GET", path="/v1/tenant", opens=ANY_OF_TENANT,
              scope="tenant:read", owner=Owner.PARTY, shows=TENANT),
    Operation(number="G02", service=GATEWAY, method="GET", path="/v1/tenant/usage",
              opens=ANY_OF_TENANT, scope="tenant:read", owner=Owner.PARTY),
    Operation(number="G03", service=GATEWAY, method="PUT", path="/v1/tenant/settings",
              opens=ANY_OF_TENANT, scope="tenant:write", owner=Owner.PARTY, body=new_settings,
              changes=TENANT),
    Operation(number="G04", service=GATEWAY, method="GET", path="/v1/auth/api-keys",
              opens=ANY_OF_TENANT, scope="apikey:read", owner=Owner.PARTY, lists=API_KEY,
              paged=True),
    Operation(number="G05", service=GATEWAY, method="POST", path="/v1/auth/api-keys",
              opens=ANY_OF_TENANT, scope="apikey:write", owner=Owner.PARTY, success=201,
              idempotent=True, body=new_key, makes=API_KEY, grants="scopes"),
    Operation(number="G06", service=GATEWAY, method="GET", path="/v1/auth/api-keys/{api_key_id}",
              opens=ANY_OF_TENANT, scope="apikey:read", owner=Owner.PARTY, shows=API_KEY),
    Operation(number="G07", service=GATEWAY, method="DELETE",
              path="/v1/auth/api-keys/{api_key_id}", opens=ANY_OF_TENANT, scope="apikey:write",
              owner=Owner.PARTY, success=204, ends=API_KEY),
    Operation(number="G08", service=GATEWAY, method="GET", path="/v1/sessions", opens=BEARERS,
              scope="user:read", owner=Owner.PERSON, lists=SESSION, id_at="session_id", paged=True,
              items_at="sessions"),
    Operation(number="G09", service=GATEWAY, method="GET", path="/v1/sessions/{session_id}",
              opens=BEARERS, scope="user:read", owner=Owner.PERSON, shows=SESSION),
    Operation(number="G10", service=GATEWAY, method="DELETE", path="/v1/sessions/{session_id}",
              opens=BEARERS, scope="user:write", owner=Owner.PERSON, ends=SESSION),
    Operation(number="G11", service=GATEWAY, method="DELETE", path="/v1/sessions/others",
              opens=BEARERS, scope="user:write", owner=Owner.PERSON, ends=SESSION, itself=True),
    Operation(number="G12", service=GATEWAY, method="DELETE", path="/v1/sessions/all",
              opens=BEARERS, scope="user:write", owner=Owner.PERSON, ends=SESSION, itself=True),
    Operation(number="G13", service=GATEWAY, method="POST", path="/v1/sdk/logout", opens=BEARERS,
              owner=Owner.PERSON, ends=SESSION, itself=True),
    Operation(number="G14", service=GATEWAY, method="POST", path="/v1/auth/logout", opens=BEARERS,
              owner=Owner.PERSON, ends=SESSION, itself=True),
    Operation(number="G15", service=GATEWAY, method="POST", path="/v1/sdk/session", opens=(KEY,),
              scope="sdk:session:create", owner=Owner.PERSON, idempotent=True, body=new_session,
              makes=SESSION, id_at="session_id", issues=SESSION_TOKENS, renewed_by="G19",
              shorter="ttl_s"),
    Operation(number="G16", service=GATEWAY, method="POST", path="/v1/client/register",
              success=201, idempotent=True, body=new_company, makes=TENANT, id_at="tenant_id"),
    Operation(number="G17", service=GATEWAY, method="POST", path="/v1/client/login",
              body=company_login, loose=frozenset({"email", "password"}), issues=CLIENT_TOKENS),
    Operation(number="G18", service=GATEWAY, method="POST", path="/v1/auth/sdk/token",
              idempotent=True, body=app_credentials, loose=frozenset({"app_id", "app_secret"}),
              makes=SESSION, id_at="session_id", issues=SESSION_TOKENS, renewed_by="G19"),
    Operation(number="G19", service=GATEWAY, method="POST", path="/v1/sdk/refresh",
              issues=SESSION_TOKENS),
    Operation(number="G20", service=GATEWAY, method="GET", path="/v1/ping"),
    Operation(number="G21", service=GATEWAY, method="GET", path="/health"),
    Operation(number="G22", service=GATEWAY, method="GET", path="/internal/health"),
    Operation(number="G23", service=GATEWAY, method="GET", path="/internal/ready"),
    Operation(number="G24", service=GATEWAY, method="GET", path="/internal/health/detailed"),
    Operation(number="G25", service=GATEWAY, method="GET", path="/internal/metrics"),
)  # fmt: skip
