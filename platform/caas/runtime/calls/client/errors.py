"""How a call to another service fails, always as something the caller may retry later.

* UnavailableError                 from the kernel: a dependency failed
  * UpstreamError                    base of what this client raises
    * UpstreamConnectError             no connection; nothing was sent
    * UpstreamBusyError                the pool is full and the wait ran out; nothing was sent
    * UpstreamClosedError              the peer closed before the response was complete
    * UpstreamTimeoutError             a deadline passed
    * UpstreamProtocolError            the peer's bytes are not HTTP/1.1, or over a limit

The text is fit for strangers; `reason` is for operators and names the origin and the limit,
never a header or a body.
"""

from typing import ClassVar

from caas.kernel.errors import UnavailableError


class UpstreamError(UnavailableError):
    """A call to another service failed.

    Attributes:
        reason: What happened, for logs; it names hosts, so callers do not see it.
    """

    code = "upstream_unavailable"
    public: ClassVar[str] = "A service behind this one is unavailable"

    def __init__(self, reason: str, *, retry_after_s: int = 1) -> None:
        super().__init__(self.public, retry_after_s=retry_after_s)
        self.reason = reason
        self.add_note(reason)


class UpstreamConnectError(UpstreamError):
    """No connection could be made; nothing was sent."""


class UpstreamBusyError(UpstreamError):
    """Every connection is in use and the queue for them is full or too slow."""

    code = "upstream_busy"
    public = "A service behind this one has too much to do"


class UpstreamClosedError(UpstreamError):
    """The peer closed the connection before the response was complete."""


class UpstreamTimeoutError(UpstreamError):
    """The peer took longer than the caller had."""

    code = "upstream_timeout"
    public = "A service behind this one took too long"


class UpstreamProtocolError(UpstreamError):
    """The peer sent something that is not a response within the limits."""

    code = "upstream_protocol"
    public = "A service behind this one gave an unreadable answer"
