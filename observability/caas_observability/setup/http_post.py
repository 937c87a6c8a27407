"""The smallest HTTP/1.1 client an exporter needs: POST on one kept connection, in the loop."""

import asyncio
import ssl
from urllib.parse import urlsplit

import httptools

RESPONSE_MAX_BYTES = 64 * 1024
READ_BYTES = 16 * 1024


class PostResponse:
    """A status line, the headers and a bounded body."""

    __slots__ = ("body", "complete", "headers", "keep_alive", "parser", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.complete = False
        self.keep_alive = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header; called by the parser."""
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        """Keep the beginning of the body; called by the parser."""
        if len(self.body) < RESPONSE_MAX_BYTES:
            self.body += data[: RESPONSE_MAX_BYTES - len(self.body)]

    def on_message_complete(self) -> None:
        """Note the end; called by the parser, which knows of keep-alive only now."""
        self.complete = True
        self.status = self.parser.get_status_code()
        self.keep_alive = self.parser.should_keep_alive()


class PostClient:
    """Posts to one origin, one request at a time, on a connection that is kept open."""

    def __init__(self, origin: str, headers: dict[str, str]) -> None:
        """Prepare for *origin* (`http://host:port/base`); nothing is connected yet.

        Raises:
            ValueError: *origin* is not an http or https URL.
        """
        url = urlsplit(origin)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("OTEL_EXPORTER_OTLP_ENDPOINT is not an http or https URL")
        self._host = url.hostname
        self._tls = url.scheme == "https"
        self._port = url.port or (443 if self._tls else 80)
        self._base = url.path.rstrip("/")
        literal = f"[{self._host}]" if ":" in self._host else self._host
        lines = [f"Host: {literal}:{self._port}", *(f"{k}: {v}" for k, v in headers.items())]
        self._head = "\r\n".join(lines)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, headers: str, *, timeout_s: float) -> PostResponse:
        """Send *body* to *path* and return the answer.

        A kept connection that the server has closed meanwhile is replaced once.

        Raises:
            OSError: No connection, or it broke.
            TimeoutError: No answer within *timeout_s* seconds.
        """
        head = (
            f"POST {self._base}{path} HTTP/1.1\r\n{self._head}\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        message = head.encode("latin-1") + body
        async with asyncio.timeout(timeout_s):
            kept = self._streams is not None
            try:
                return await self._exchange(message)
            except OSError:
                if not kept:
                    raise
                return await self._exchange(message)

    async def _exchange(self, message: bytes) -> PostResponse:
        if self._streams is None:
            tls = ssl.create_default_context() if self._tls else None
            self._streams = await asyncio.open_connection(self._host, self._port, ssl=tls)
        reader, writer = self._streams
        response = PostResponse()
        try:
            writer.write(message)
            await writer.drain()
            while not response.complete:
                response.parser.feed_data(await _read_some(reader))
        except httptools.HttpParserError as error:
            self.close()
            raise ConnectionResetError("the receiver's answer is not HTTP") from error
        except BaseException:
            self.close()
            raise
        if not response.keep_alive:
            self.close()
        return response

    def close(self) -> None:
        """Close the connection; the next `post` opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read_some(reader: asyncio.StreamReader) -> bytes:
    data = await reader.read(READ_BYTES)
    if not data:
        raise ConnectionResetError("the receiver closed the connection")
    return data
