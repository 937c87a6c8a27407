"""Fresh tenants, sessions and logins: what a case starts from, made over the wire.

Each is an ordinary exchange of the case, in the step `setup` when no step is open. When the
platform refuses one, the case fails with a check that says so.
"""

import secrets
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from caas_conformance.authoring import Answer, CaseContext, claims

AUTH_SERVICE = "auth-service"
GATEWAY = "gateway"

REGISTER_PATH = "/api/v1/auth/client/register"
SESSION_PATH = "/api/v1/auth/sdk/session"
LOGIN_PATH = "/api/v1/auth/client/login"
CREATED = 201
OK = 200


@dataclass(frozen=True, slots=True)
class Login:
    """A tenant's administrator, logged in."""

    token: str
    answer: Answer

    @property
    def bearer(self) -> dict[str, str]:
        """The header that authenticates with it."""
        return {"authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Session:
    """An end user's open SDK session."""

    access_token: str
    refresh_token: str
    user_id: str
    session_id: str
    external_id: str
    email: str
    answer: Answer

    @property
    def bearer(self) -> dict[str, str]:
        """The header that authenticates with its access token."""
        return {"authorization": f"Bearer {self.access_token}"}


@dataclass(frozen=True, slots=True)
class Tenant:
    """A registered client with everything that was shown once."""

    tenant_id: str
    client_id: str
    api_key: str
    api_secret: str
    email: str
    password: str
    company_name: str
    plan: str
    answer: Answer
    context: CaseContext

    @property
    def key(self) -> dict[str, str]:
        """The header that authenticates with the primary API key."""
        return {"x-api-key": self.api_key}

    async def session(
        self,
        user: str = "alice",
        *,
        external_id: str | None = None,
        device: str = "web",
        user_data: Mapping[str, Any] | None = None,
        api_key: str | None = None,
    ) -> Session:
        """Open an SDK session for *user*; the same *external_id* is the same user."""
        t = self.context
        external = external_id or t.unique(user)
        email = f"{external}@users.example.com"
        data = {"name": user.title(), "email": email} if user_data is None else dict(user_data)
        async with _setup(t):
            answer = await t.service(AUTH_SERVICE).post(
                SESSION_PATH,
                json={
                    "user_external_id": external,
                    "user_data": data,
                    "device_info": {"device_type": device},
                },
                headers={"x-api-key": api_key or self.api_key},
            )
            t.given(answer, OK, f"open a session for {user}")
            access, refresh = t.need(answer, "access_token", "refresh_token")
            named = answer.at("access_token").derive("claims", claims)
            user_id, session_id = t.need_text(named.at("user_id"), named.at("session_id"))
        return Session(
            access_token=t.secret(access),
            refresh_token=t.secret(refresh),
            user_id=user_id,
            session_id=session_id,
            external_id=external,
            email=str(data.get("email", "")),
            answer=answer,
        )

    async def login(self) -> Login:
        """Log the tenant's administrator in with e-mail and password."""
        t = self.context
        async with _setup(t):
            answer = await t.service(AUTH_SERVICE).post(
                LOGIN_PATH, json={"email": self.email, "password": self.password}
            )
            t.given(answer, OK, "log the tenant in")
            (token,) = t.need(answer, "access_token")
        return Login(t.secret(token), answer)


class Tenants:
    """Registers tenants for one attempt."""

    __slots__ = ("_context",)

    def __init__(self, context: CaseContext) -> None:
        self._context = context

    async def register(self, *, plan: str = "business", company_name: str | None = None) -> Tenant:
        """Register a client that no other attempt knows; *plan* is free, business, enterprise."""
        t = self._context
        company = company_name or t.unique("Conformance Company")
        email = fresh_email(t, "admin")
        password = fresh_password(t)
        async with _setup(t):
            answer = await t.service(AUTH_SERVICE).post(
                REGISTER_PATH,
                json={
                    "company_name": company,
                    "email": email,
                    "password": password,
                    "plan": plan,
                },
            )
            t.given(answer, CREATED, "register a tenant")
            tenant_id, client_id, key, secret = t.need(
                answer, "tenant_id", "client_id", "api_key", "api_secret"
            )
        t.secret(key)
        t.secret(secret)
        return Tenant(tenant_id, client_id, key, secret, email, password, company, plan, answer, t)


def fresh_email(t: CaseContext, name: str) -> str:
    """Return an e-mail address that nobody has registered yet."""
    return f"{t.unique(name)}@conformance.example.com"


def fresh_password(t: CaseContext) -> str:
    """Return a strong password that nobody has, known to the redaction."""
    return t.secret(f"Cf7!{secrets.token_urlsafe(18)}")


def _setup(t: CaseContext) -> AbstractAsyncContextManager[None]:
    return nullcontext() if t.in_step else t.step("setup")
