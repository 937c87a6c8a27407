"""The refresh family as a state machine, against a model that is easier to believe."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from caas.auth.domain.sessions import REUSE_GRACE_MS, Device
from caas.auth.domain.users import UserData
from caas.auth.errors import RefreshTokenInvalidError
from caas.auth.service.sessions.sdk import Caller
from caas.contracts.auth.identity import REFRESH_TTL_S
from caas.runtime.identity.tokens import InvalidTokenError, SessionInvalidError
from caas.testing.auth.use_cases import FakeAuth


class RefreshFamily(RuleBasedStateMachine):
    """Tokens of one session, presented in any order at any time.

    The model is the list of refresh tokens in the order they were handed out, the moment of the
    last rotation, and whether the session still stands.
    """

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.fake = FakeAuth()
        self.auth = self.fake.build()
        self.handed_out: list[str] = []
        self.access: list[str] = []
        self.rotated_at_ms = 0
        self.alive = True

    def teardown(self) -> None:
        """Close the loop."""
        self.runner.close()

    @initialize(target=tokens)
    def open(self) -> str:
        """Open the session."""
        return self.runner.run(self._open())

    async def _open(self) -> str:
        await self.auth.signing_keys.load()
        made = await self.auth.accounts.register(
            company_name="Acme", email="a@example.com", password="Correct-horse-7", plan="free"
        )
        caller = Caller("198.51.100.7")
        opened = await self.auth.sdk_sessions.open_for(
            await self.auth.sdk_sessions.opener_of(made.api_key, caller),
            external_id="alice",
            data=UserData(),
            device=Device(),
            caller=caller,
        )
        self.handed_out.append(opened.tokens.refresh_token)
        self.access.append(opened.tokens.access_token)
        return opened.tokens.refresh_token

    @rule(target=tokens, token=tokens)
    def refresh(self, token: str) -> str:
        """Present any token ever handed out, and compare with what the model says."""
        now_ms = self.fake.clock.now_ms()
        place = len(self.handed_out) - self.handed_out.index(token)
        in_grace = now_ms - self.rotated_at_ms <= REUSE_GRACE_MS
        expired = self._expired(token)
        try:
            pair = self.runner.run(self.auth.sdk_sessions.refresh(token))
        except RefreshTokenInvalidError:
            is_head = place == 1
            is_previous = place == 2 and in_grace
            assert not self.alive or expired or not (is_head or is_previous)
            if not expired:
                self.alive = False
            return token
        assert self.alive
        if place == 1:
            assert pair.refresh_token not in self.handed_out
            self.handed_out.append(pair.refresh_token)
            self.access.append(pair.access_token)
            self.rotated_at_ms = now_ms
        else:
            assert place == 2
            assert in_grace
            assert pair.refresh_token == self.handed_out[-1]
            assert pair.access_token == self.access[-1]
        return pair.refresh_token

    @rule(seconds=st.sampled_from([0.001, 1, 9.999, 10, 10.001, 60, 3600]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.fake.clock.advance(seconds)

    @rule(token=consumes(tokens))
    def forget(self, token: str) -> None:
        """Lose a token, so that others are tried more often."""

    @rule()
    def rotate_signing_key(self) -> None:
        """Rotate the signing key and let the new one take effect."""
        self.runner.run(self.auth.signing_keys.rotate())
        self.fake.clock.advance(3)

    @invariant()
    def newest_access_token_is_good_while_the_session_stands(self) -> None:
        """And refused for ever once it has ended."""
        if not self.access:
            return
        token = self.access[-1]
        try:
            self.runner.run(self.auth.verifier.verify(token))
        except SessionInvalidError:
            assert not self.alive
        except InvalidTokenError:
            assert self._expired(token)
        else:
            assert self.alive

    def _expired(self, token: str) -> bool:
        try:
            self.runner.run(self.auth.verifier.authenticate(token))
        except InvalidTokenError:
            return True
        return False


assert REFRESH_TTL_S > 3600 * 40, "the machine does not reach the end of a refresh token"
RefreshFamily.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestRefreshFamily = RefreshFamily.TestCase
