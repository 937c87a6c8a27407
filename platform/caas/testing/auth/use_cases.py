"""The auth service's use cases over fakes of every port."""

from dataclasses import dataclass, field
from itertools import chain

from caas.auth.errors import TooManyAttemptsError
from caas.auth.service.accounts import Accounts
from caas.auth.service.keys.account import AccountKeys
from caas.auth.service.keys.check import KeyCheck
from caas.auth.service.keys.named import NamedKeys
from caas.auth.service.keys.uses import KeyUses
from caas.auth.service.profiles import Profiles
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.checks import Checks
from caas.auth.service.sessions.endings import Endings
from caas.auth.service.sessions.sdk import SdkSessions
from caas.auth.service.sessions.signing import SigningKeys
from caas.auth.service.tenants import Tenants
from caas.auth.service.whitelists import Whitelists
from caas.contracts.auth.identity import RevocationEvent, SessionsRevoked
from caas.kernel.errors import UnavailableError
from caas.runtime.identity.service_secret import ServiceSecret
from caas.runtime.identity.tokens import KeySet, TokenVerifier
from caas.testing.auth.stores import (
    MemoryClientStore,
    MemoryKeyUseStore,
    MemoryNamedKeyStore,
    MemorySessionStore,
    MemorySigningKeyStore,
    MemoryUserStore,
)
from caas.testing.clock import FakeClock

PEPPER = bytes(range(32))
SERVICE_SECRET = "unit-test-service-secret"  # noqa: S105 - of fakes


@dataclass(slots=True)
class PlainHasher:
    """A `PasswordHasher` that costs nothing and counts what it was asked."""

    verified: list[str | None] = field(default_factory=list[str | None])

    async def hash(self, password: str) -> str:
        """Return a stand-in for a hash."""
        return f"hash of {len(password)} characters: {password[::-1]}"

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether *password* made *stored*."""
        self.verified.append(stored)
        return stored == await self.hash(password)


@dataclass(slots=True)
class OpenLimiter:
    """A `LoginLimiter` that refuses only when told to."""

    refuse_for_s: int = 0
    reserved: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    succeeded_for: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def reserve(self, account: str, address: str) -> None:
        """Count an attempt, or refuse it."""
        if self.refuse_for_s:
            raise TooManyAttemptsError(self.refuse_for_s)
        self.reserved.append((account, address))

    async def succeeded(self, account: str, address: str) -> None:
        """Note a right password."""
        self.succeeded_for.append((account, address))


@dataclass(slots=True)
class MemoryAnnouncer:
    """An `Announcer` and the `RevocationView` of one instance that hears it at once."""

    events: list[RevocationEvent] = field(default_factory=list[RevocationEvent])
    away: bool = False

    async def publish(self, event: RevocationEvent) -> None:
        """Announce *event*; raise `UnavailableError` while `away`."""
        if self.away:
            raise UnavailableError("The change could not be announced; try again")
        self.events.append(event)

    def is_revoked(self, session_id: str) -> bool:
        """Tell whether the end of the session was announced."""
        announced = (e.session_ids for e in self.events if isinstance(e, SessionsRevoked))
        return session_id in chain.from_iterable(announced)

    async def known(self) -> None:
        """Return: what was announced is known at once."""


@dataclass(slots=True)
class FakeAuth:
    """All use cases over fakes, and the fakes."""

    clock: FakeClock = field(default_factory=FakeClock)
    clients: MemoryClientStore = field(default_factory=MemoryClientStore)
    named_keys: MemoryNamedKeyStore = field(default_factory=MemoryNamedKeyStore)
    uses: MemoryKeyUseStore = field(default_factory=MemoryKeyUseStore)
    users: MemoryUserStore = field(default_factory=MemoryUserStore)
    sessions: MemorySessionStore = field(default_factory=MemorySessionStore)
    signing_keys: MemorySigningKeyStore = field(default_factory=MemorySigningKeyStore)
    announcer: MemoryAnnouncer = field(default_factory=MemoryAnnouncer)
    hasher: PlainHasher = field(default_factory=PlainHasher)
    limiter: OpenLimiter = field(default_factory=OpenLimiter)
    activation_delay_ms: int = 2000
    keys: KeySet | None = None
    testing: bool = False

    def build(self) -> AuthServices:
        """Return the use cases; `await services.signing_keys.load()` makes the first key."""
        signing = SigningKeys(
            self.signing_keys,
            self.announcer,
            self.clock,
            pepper=PEPPER,
            activation_delay_ms=self.activation_delay_ms,
        )
        keys = KeySet(signing.public_keys, monotonic=lambda: self.clock.now_ms() / 1000)
        self.keys = keys
        verifier = TokenVerifier(keys, self.announcer, self.clock)
        endings = Endings(self.sessions, self.announcer, self.clock)
        key_check = KeyCheck(self.clients, self.named_keys, KeyUses(self.uses, self.clock), PEPPER)
        return AuthServices(
            accounts=Accounts(
                self.clients,
                self.sessions,
                self.hasher,
                self.limiter,
                signing,
                self.clock,
                PEPPER,
                testing=self.testing,
            ),
            account_keys=AccountKeys(self.clients, self.announcer, self.clock, PEPPER),
            key_check=key_check,
            named_keys=NamedKeys(
                self.clients, self.named_keys, self.uses, self.announcer, self.clock, PEPPER
            ),
            whitelists=Whitelists(self.clients, self.announcer),
            tenants=Tenants(
                self.clients,
                self.users,
                self.sessions,
                self.named_keys,
                self.announcer,
                self.clock,
            ),
            sdk_sessions=SdkSessions(
                self.users,
                self.sessions,
                key_check,
                signing,
                verifier,
                endings,
                self.clock,
                testing=self.testing,
            ),
            endings=endings,
            checks=Checks(self.sessions, verifier, self.clock),
            profiles=Profiles(self.users, self.clock),
            signing_keys=signing,
            secret=ServiceSecret(SERVICE_SECRET),
            verifier=verifier,
            clock=self.clock,
            socket_urls=("ws://localhost:3002",),
        )
