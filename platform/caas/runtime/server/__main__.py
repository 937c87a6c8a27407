"""`python -m caas.runtime.server caas.auth.app:create_app`: one service, as a container runs it."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click
import uvloop

from caas.runtime.server.lifespan import Lifespan
from caas.runtime.server.limits import ServerLimits
from caas.runtime.server.server import BACKLOG, HttpServer

SHUTDOWN_MAX_S = 10.0  # for the application to write what is pending and close what it opened


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("factory", metavar="MODULE:FACTORY")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), required=True)
@click.option("--grace-s", type=click.FloatRange(0), default=8.0, show_default=True,
              help="What requests under way get when the service is told to stop.")  # fmt: skip
def main(factory: str, host: str, port: int, grace_s: float) -> None:
    """Serve the application that MODULE:FACTORY makes, until SIGTERM or SIGINT."""
    module, _, name = factory.partition(":")
    make: Callable[[], Any] = getattr(import_module(module), name)
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        click.echo(f"cannot listen on {host}:{port}: {error.strerror}", err=True)
        sys.exit(3)
    limits = ServerLimits.from_env(os.environ)
    uvloop.run(serve(make(), listener, limits, grace_s=grace_s))


async def serve(app: Any, listener: socket.socket, limits: ServerLimits, *, grace_s: float) -> None:
    """Serve *app* until a signal; raises what its start-up raises."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    lifespan = Lifespan(app)
    await lifespan.startup()
    gc.collect()
    gc.freeze()
    server = HttpServer(app, limits)
    await server.start(listener)
    await stopping.wait()
    await server.stop(grace_s=grace_s)
    async with asyncio.timeout(SHUTDOWN_MAX_S):
        await lifespan.shutdown()


if __name__ == "__main__":
    main()
