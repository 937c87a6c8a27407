"""Argon2id on a bounded pool of threads: hashing neither blocks the loop nor floods memory."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from caas.kernel.errors import UnavailableError

WAITING_MAX = 200
LANES = 1
_DUMMY_PASSWORD = "an account that does not exist"  # noqa: S105 - never accepted


class OverloadedError(UnavailableError):
    """More passwords wait to be hashed than can be in reasonable time."""

    code = "auth.overloaded"

    def __init__(self) -> None:
        super().__init__("Too many logins at this moment; try again shortly", retry_after_s=2)


class ArgonHasher:
    """Hashes on *threads* threads; a caller beyond `WAITING_MAX` is turned away at once."""

    def __init__(self, *, threads: int, memory_kib: int, passes: int) -> None:
        self._argon = PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=LANES, type=Type.ID
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._waiting = 0
        self._dummy: str | None = None

    async def hash(self, password: str) -> str:
        """Return an argon2id hash of *password*.

        Raises:
            OverloadedError: `WAITING_MAX` passwords wait already.
        """
        return await self._run(password, None) or ""

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether *password* made *stored*.

        None, for an account that does not exist, is checked against a dummy, so that the time
        does not tell which addresses have accounts.

        Raises:
            OverloadedError: `WAITING_MAX` passwords wait already.
        """
        if stored is None:
            if self._dummy is None:
                self._dummy = await self.hash(_DUMMY_PASSWORD)
            await self._run(password, self._dummy)
            return False
        return await self._run(password, stored) is not None

    def close(self) -> None:
        """Stop the threads; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, password: str, stored: str | None) -> str | None:
        if self._waiting >= WAITING_MAX:
            raise OverloadedError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._work, password, stored)
        finally:
            self._waiting -= 1

    def _work(self, password: str, stored: str | None) -> str | None:
        """Hash, or return *stored* if the password made it; runs on a pool thread."""
        if stored is None:
            return self._argon.hash(password)
        try:
            self._argon.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return None
        return stored
