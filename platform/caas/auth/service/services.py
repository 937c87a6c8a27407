"""All use cases of the service in one place, for the edges."""

from dataclasses import dataclass

from caas.auth.service.accounts import Accounts
from caas.auth.service.keys.account import AccountKeys
from caas.auth.service.keys.check import KeyCheck
from caas.auth.service.keys.named import NamedKeys
from caas.auth.service.profiles import Profiles
from caas.auth.service.sessions.checks import Checks
from caas.auth.service.sessions.endings import Endings
from caas.auth.service.sessions.sdk import SdkSessions
from caas.auth.service.sessions.signing import SigningKeys
from caas.auth.service.tenants import Tenants
from caas.auth.service.whitelists import Whitelists
from caas.kernel.clock import Clock
from caas.runtime.identity.service_secret import ServiceSecret
from caas.runtime.identity.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class AuthServices:
    """What routes call.

    Attributes:
        secret: Recognises other services.
        verifier: Recognises bearers of tokens.
        socket_urls: Where SDK clients connect.
    """

    accounts: Accounts
    account_keys: AccountKeys
    key_check: KeyCheck
    named_keys: NamedKeys
    whitelists: Whitelists
    tenants: Tenants
    sdk_sessions: SdkSessions
    endings: Endings
    checks: Checks
    profiles: Profiles
    signing_keys: SigningKeys
    secret: ServiceSecret
    verifier: TokenVerifier
    clock: Clock
    socket_urls: tuple[str, ...]
