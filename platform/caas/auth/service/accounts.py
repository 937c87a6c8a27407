"""Client accounts: registration and login."""

from dataclasses import dataclass

from caas.auth.domain.clients import (
    Client,
    check_password,
    email_key_of,
    parse_email,
    parse_name,
)
from caas.auth.domain.keys import StoredKey, digest_of, new_account_key, shown_part
from caas.auth.domain.sessions import USER_AGENT_MAX_CHARS, Device, Session, client_claims
from caas.auth.errors import CredentialsInvalidError, EmailTakenError, FieldInvalidError
from caas.auth.ports import ClientStore, LoginLimiter, PasswordHasher, SessionStore, TokenSigner
from caas.contracts.auth.api import COMPANY_NAME_MAX_CHARS, Plan
from caas.contracts.auth.identity import CLIENT_TTL_S
from caas.kernel.clock import Clock
from caas.kernel.ids import ApiKeyId, ClientId, SessionId, TenantId, new_id


@dataclass(frozen=True, slots=True)
class Registered:
    """A new account with its credentials in clear: shown once, stored nowhere."""

    client: Client
    api_key: str
    api_secret: str


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A client account's token."""

    client: Client
    session: Session
    access_token: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """Registers companies and signs their administrators in.

    Attributes:
        testing: Whether the platform is one for testing; see `parse_email`.
    """

    clients: ClientStore
    sessions: SessionStore
    hasher: PasswordHasher
    limiter: LoginLimiter
    signer: TokenSigner
    clock: Clock
    pepper: bytes
    testing: bool = False

    async def register(
        self, *, company_name: str, email: str, password: str, plan: Plan
    ) -> Registered:
        """Create an account, its tenant, and its first key and secret.

        Raises:
            FieldInvalidError: The name, the address or the password breaks a rule.
            EmailTakenError: The address has an account; the store's unique index decides, so
                that simultaneous registrations make one.
        """
        company = parse_name(company_name, path="company_name", max_chars=COMPANY_NAME_MAX_CHARS)
        address = parse_email(email, testing=self.testing)
        check_password(password, email=address)
        email_key = email_key_of(address)
        if await self.clients.by_email_key(email_key) is not None:
            raise EmailTakenError
        password_hash = await self.hasher.hash(password)
        api_key, api_secret = new_account_key(), new_account_key()
        now_ms = self.clock.now_ms()
        client = Client(
            id=ClientId(new_id()),
            tenant_id=TenantId(new_id()),
            company_name=company,
            email=address,
            email_key=email_key,
            password_hash=password_hash,
            plan=plan,
            status="active",
            secret_digest=digest_of(api_secret, self.pepper),
            primary=StoredKey(
                ApiKeyId(new_id()), digest_of(api_key, self.pepper), shown_part(api_key), now_ms
            ),
            secondary=None,
            ip_whitelist=(),
            origin_whitelist=(),
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )
        await self.clients.add(client)
        return Registered(client, api_key, api_secret)

    async def login(
        self, *, email: str, password: str, ip_address: str, user_agent: str
    ) -> LoggedIn:
        """Return a token with the role `tenant_admin`.

        Raises:
            CredentialsInvalidError: Unknown address, wrong password, or suspended account.
            TooManyAttemptsError: Too many wrong passwords for the account or the address.
        """
        try:
            email_key = email_key_of(parse_email(email, testing=self.testing))
        except FieldInvalidError:
            email_key = email_key_of(email)  # no account has it; takes as long all the same
        await self.limiter.reserve(email_key, ip_address)
        client = await self.clients.by_email_key(email_key)
        stored = client.password_hash if client is not None else None
        matches = await self.hasher.verify(stored, password)
        if client is None or not matches or client.status != "active":
            raise CredentialsInvalidError
        await self.limiter.succeeded(email_key, ip_address)
        return await self._open(client, ip_address, user_agent)

    async def _open(self, client: Client, ip_address: str, user_agent: str) -> LoggedIn:
        now_ms = self.clock.now_ms()
        session = Session(
            id=SessionId(new_id()),
            kind="client",
            tenant_id=client.tenant_id,
            client_id=client.id,
            holder_id=client.id,
            external_id=None,
            email=client.email,
            permissions=None,
            ip_address=ip_address,
            user_agent=user_agent[:USER_AGENT_MAX_CHARS],
            device=Device(),
            family=None,
            created_at_ms=now_ms,
            last_activity_at_ms=now_ms,
            expires_at_ms=now_ms + CLIENT_TTL_S * 1000,
        )
        claims = client_claims(session, jti=new_id(), issued_at_s=now_ms // 1000)
        token = await self.signer.sign(claims, kid=await self.signer.current_kid())
        await self.sessions.add(session)
        return LoggedIn(client, session, token)
