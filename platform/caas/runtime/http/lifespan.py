"""The ASGI lifespan protocol, strict: a start-up that fails raises, with its reason.

Source: ASGI specification, "Lifespan Protocol" 2.0.
"""

import asyncio
from typing import Any


class LifespanError(Exception):
    """The application reported that it could not start or stop."""


class Lifespan:
    """Drive one application's start-up and shutdown.

    An application that raises before it takes part in the protocol counts as failed, because
    every service here takes part.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._asked: asyncio.Queue[dict[str, str]] = asyncio.Queue(maxsize=2)
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=2)
        self._running: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Run the application's start-up.

        Raises:
            LifespanError: The application said that it failed.
            Exception: What the application raised.
        """
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        call = self._app(scope, self._asked.get, self._answers.put)
        self._running = asyncio.create_task(call)
        await self._ask("startup")

    async def shutdown(self) -> None:
        """Run the application's shutdown; raises as `startup` does."""
        await self._ask("shutdown")
        if self._running:
            # Not awaited itself: who gives up on this wait must not depend on how the task ends.
            await asyncio.wait([self._running])
            self._running.result()

    async def _ask(self, phase: str) -> None:
        if self._running is None:
            return
        await self._asked.put({"type": f"lifespan.{phase}"})
        answer = asyncio.create_task(self._answers.get())
        try:
            waiting = (answer, self._running)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                await self._running
                raise LifespanError(f"the application left before its {phase} was complete")
            said = answer.result()
        finally:
            answer.cancel()
        if said["type"] == f"lifespan.{phase}.failed":
            await asyncio.wait([self._running], timeout=1)
            if self._running.done() and (cause := self._running.exception()):
                raise cause
            raise LifespanError(said.get("message") or f"the application's {phase} failed")
