"""From a profile to the processes of a stack: names, ports, environments."""

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from caas.contracts.services import ServiceSpec
from caas.stack.ports import listen, port_of
from caas.stack.settings import StackSettings
from caas.stack.state.secrets import StackSecrets

ASSISTANT_PROFILE = "assistant"
DEFAULT_ENVIRONMENT = "development"


class StackOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for.

    Attributes:
        profile: Which services.
        ports: `seed`: the documented ones; `auto`: any free ones.
        state_dir: Where the stack keeps its state.
        ephemeral: Remove the state when the stack stops.
        environ: The environment that services inherit; may name servers by URL.
        settings: Deadlines and limits.
        detach: Nobody stays to watch: the stack lives on without the command.
        instances: Of each service, at least.
    """

    profile: str
    ports: Literal["auto", "seed"]
    state_dir: Path
    ephemeral: bool
    environ: dict[str, str] = msgspec.field(default_factory=lambda: dict(os.environ))
    settings: StackSettings = StackSettings()
    detach: bool = False
    instances: int = 1


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of a service, with the socket it will serve."""

    spec: ServiceSpec
    name: str
    listener: socket.socket
    index: int = 0

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{port_of(self.listener)}"


def open_instances(specs: Sequence[ServiceSpec], options: StackOptions) -> list[Instance]:
    """Bind a port for every instance of *specs*; front doors come last.

    Raises:
        PortTakenError: A port is taken; every other one is free again.
    """
    opened: list[Instance] = []
    try:
        for spec in sorted(specs, key=lambda each: each.front_door):
            count = max(spec.instances, options.instances)
            for index in range(count):
                name = spec.name if count == 1 else f"{spec.name}-{index + 1}"
                # Only the first is where the documents say; the next port may be another service's.
                port = _wanted_port(spec, index, options) if index < spec.instances else 0
                listener = listen(port, name)
                opened.append(Instance(spec=spec, name=name, listener=listener, index=index))
    except BaseException:
        for instance in opened:
            instance.listener.close()
        raise
    return opened


def environment_of(
    instance: Instance,
    *,
    options: StackOptions,
    instances: Sequence[Instance],
    server_urls: Mapping[str, str],
    secrets: StackSecrets,
) -> dict[str, str]:
    """Return what *instance* sees as its environment.

    A service with several instances is announced under its `url_env` by the URL of the one that
    has the same number as *instance*, or else of its first, and each under `<url_env>_<n>`; how
    many there are is in `<its prefix>_INSTANCES`.
    """
    announced: dict[str, str] = {}
    for each in instances:
        announced.setdefault(each.spec.url_env, each.url)
        if each.index == instance.index:
            announced[each.spec.url_env] = each.url
        if each.name != each.spec.name:
            announced[f"{each.spec.url_env}_{each.index + 1}"] = each.url
            counted = f"{each.spec.url_env.removesuffix('_URL')}_INSTANCES"
            announced[counted] = str(each.index + 1)
    inherited = {
        name: value
        for name, value in options.environ.items()
        # Who may see which secret is the spec's decision, not the shell's.
        if name not in StackSecrets.variables()
    }
    return {
        "CAAS_ENVIRONMENT": DEFAULT_ENVIRONMENT,
        **inherited,
        **server_urls,
        **announced,
        **secrets.environment(instance.spec.secrets),
        "OTEL_SERVICE_NAME": instance.spec.name,
    }


def _wanted_port(spec: ServiceSpec, index: int, options: StackOptions) -> int:
    if options.ports == "auto":
        return 0
    if options.profile == ASSISTANT_PROFILE and spec.assistant_port is not None:
        return spec.assistant_port + index
    return spec.seed_port + index
