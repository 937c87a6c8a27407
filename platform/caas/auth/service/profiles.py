"""What a user may see and change of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

from caas.auth.domain.clients import parse_name
from caas.auth.domain.users import User, check_settings
from caas.auth.errors import FieldInvalidError
from caas.auth.ports import UserStore
from caas.contracts.auth.api import PERSON_NAME_MAX_CHARS, Preference
from caas.contracts.auth.identity import Claims
from caas.kernel.clock import Clock
from caas.kernel.ids import TenantId, UserId
from caas.runtime.identity.tokens import SessionInvalidError


@dataclass(frozen=True, slots=True)
class Profiles:
    """Reads and changes the profile of the token's own user."""

    users: UserStore
    clock: Clock

    async def find(self, claims: Claims) -> User:
        """Return the user that the token names.

        Raises:
            SessionInvalidError: The user is gone.
        """
        user = await self.users.find(TenantId(claims.tenant_id), UserId(claims.user_id))
        if user is None:
            raise SessionInvalidError
        return user

    async def update(
        self, claims: Claims, *, name: str | None, preferences: Mapping[str, Preference] | None
    ) -> User:
        """Replace the name, the preferences, or both; None leaves as it is.

        Raises:
            FieldInvalidError: Nothing is given, or something given breaks a rule.
            SessionInvalidError: The user is gone.
        """
        if name is None and preferences is None:
            raise FieldInvalidError("name", "give a name, preferences, or both")
        if name is not None:
            name = parse_name(name, path="name", max_chars=PERSON_NAME_MAX_CHARS)
        if preferences is not None:
            check_settings(preferences, path="preferences")
        user = await self.users.update_profile(
            TenantId(claims.tenant_id),
            UserId(claims.user_id),
            name=name,
            preferences=preferences,
            now_ms=self.clock.now_ms(),
        )
        if user is None:
            raise SessionInvalidError
        return user
