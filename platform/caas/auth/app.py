"""Composition root of the auth service: the only module that knows every part."""

from functools import partial

from caas.auth.routes import clients, internal, jwks, sdk, users
from caas.auth.routes.introspection import INTROSPECTION, introspection
from caas.auth.service.accounts import Accounts
from caas.auth.service.keys.account import AccountKeys
from caas.auth.service.keys.check import KeyCheck
from caas.auth.service.keys.named import NamedKeys
from caas.auth.service.keys.uses import FLUSH_INTERVAL_S, KeyUses
from caas.auth.service.passwords import ArgonHasher
from caas.auth.service.profiles import Profiles
from caas.auth.service.services import AuthServices
from caas.auth.service.sessions.checks import Checks
from caas.auth.service.sessions.endings import RELAY_INTERVAL_S, Endings
from caas.auth.service.sessions.sdk import SdkSessions
from caas.auth.service.sessions.signing import SigningKeys
from caas.auth.service.tenants import Tenants
from caas.auth.service.whitelists import Whitelists
from caas.auth.settings import SERVICE, AuthKnobs, AuthSettings
from caas.auth.store.clients import MongoClientStore
from caas.auth.store.documents import open_collections
from caas.auth.store.keys import MongoKeyUseStore, MongoNamedKeyStore
from caas.auth.store.login_limits import LoginLimits, RedisLoginLimiter
from caas.auth.store.sessions import MongoSessionStore
from caas.auth.store.signing_keys import MongoSigningKeyStore
from caas.auth.store.users import MongoUserStore
from caas.runtime.identity.revocation import RevocationPublisher
from caas.runtime.identity.service_secret import ServiceSecret
from caas.runtime.identity.tokens import KeySet
from caas.runtime.service import Runtime, Service


async def compose(runtime: Runtime, settings: AuthSettings) -> AuthServices:
    """Make the use cases; without MongoDB, which has the signing keys, there are none."""
    await open_collections(runtime.database)
    clock, knobs, pepper = runtime.clock, settings.knobs, settings.key_pepper
    testing = runtime.settings.environment == "development"
    client_store, user_store, session_store = (
        MongoClientStore(), MongoUserStore(), MongoSessionStore(),
    )  # fmt: skip
    named_store, use_store = MongoNamedKeyStore(), MongoKeyUseStore()

    publisher = RevocationPublisher(runtime.redis)
    endings = Endings(session_store, publisher, clock)
    signing = SigningKeys(
        MongoSigningKeyStore(),
        publisher,
        clock,
        pepper=pepper,
        activation_delay_ms=knobs.key_activation_delay_ms,
    )
    keys = KeySet(signing.public_keys)
    await keys.load()
    verifier = runtime.verifier(keys)
    hasher = ArgonHasher(
        threads=knobs.hashing_threads,
        memory_kib=knobs.argon2_memory_kib,
        passes=knobs.argon2_passes,
    )
    runtime.closing.callback(hasher.close)
    limiter = RedisLoginLimiter(runtime.redis, clock, _limits(knobs), prefix=knobs.redis_prefix)
    uses = KeyUses(use_store, clock)
    key_check = KeyCheck(client_store, named_store, uses, pepper)

    announce_again = partial(endings.relay, everything=True)  # Redis may have lost its data
    await runtime.follow_revocations(keys, on_resume=announce_again)
    runtime.tasks.every(FLUSH_INTERVAL_S, "write uses of keys", uses.flush, at_stop=True)
    runtime.tasks.every(RELAY_INTERVAL_S, "announce ended sessions", endings.relay)
    return AuthServices(
        accounts=Accounts(
            client_store, session_store, hasher, limiter, signing, clock, pepper, testing
        ),
        account_keys=AccountKeys(client_store, publisher, clock, pepper),
        key_check=key_check,
        named_keys=NamedKeys(client_store, named_store, use_store, publisher, clock, pepper),
        whitelists=Whitelists(client_store, publisher),
        tenants=Tenants(client_store, user_store, session_store, named_store, publisher, clock),
        sdk_sessions=SdkSessions(
            user_store, session_store, key_check, signing, verifier, endings, clock, testing
        ),
        endings=endings,
        checks=Checks(session_store, verifier, clock),
        profiles=Profiles(user_store, clock),
        signing_keys=signing,
        secret=ServiceSecret(runtime.settings.service_secret),
        verifier=verifier,
        clock=clock,
        socket_urls=settings.socket_urls,
    )


def _limits(knobs: AuthKnobs) -> LoginLimits:
    return LoginLimits(
        window_s=knobs.login_window_s,
        pair_failures_max=knobs.login_pair_failures_max,
        address_failures_max=knobs.login_address_failures_max,
        account_failures_max=knobs.login_account_failures_max,
    )


AUTH = Service(
    spec=SERVICE,
    settings=AuthSettings.from_env,
    compose=compose,
    routers=[
        clients.router,
        sdk.router,
        users.profile_router,
        users.sessions_router,
        internal.router,
        jwks.get_key_set,
    ],
    provides={"auth": lambda auth: auth},
    fast_routes=lambda auth: {INTROSPECTION: introspection(auth)},
)
create_app = AUTH.create_app
