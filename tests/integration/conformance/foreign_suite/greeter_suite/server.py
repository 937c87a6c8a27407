"""The system under test: the standard library's HTTP server, without any telemetry.

`python -m greeter_suite.server FOLDER` writes where it listens into `FOLDER/greeter.json`.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec


class Greeter(BaseHTTPRequestHandler):
    """Greets everybody, even nobody."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        status, body = 404, b"{}"
        if parts.path == "/alive":
            status = 200
        elif parts.path == "/greeting":
            name = parse_qs(parts.query).get("name", [""])[0]
            status, body = 200, msgspec.json.encode({"greeting": f"Hello, {name}!"})
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(folder: Path) -> None:
    """Listen on any free port until the process is ended."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Greeter) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        target = {"services": {"greeter": {"url": url}}}
        (folder / "greeter.json").write_bytes(msgspec.json.encode(target))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
