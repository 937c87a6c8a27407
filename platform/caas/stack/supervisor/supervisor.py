"""The supervisor: starts a stack, keeps it running, stops everything in order.

It has one thread and no event loop for all its life, because it forks a process per service
from what it imported once, also when it restarts one.
"""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from caas.contracts.services import ServiceSpec
from caas.kernel.clock import SystemClock, rfc3339
from caas.stack.assembly import Instance, StackOptions, environment_of, open_instances
from caas.stack.discovery import load_app
from caas.stack.servers.embedded import EmbeddedMongo, EmbeddedRedis, EmbeddedServer
from caas.stack.servers.given import check_mongodb, check_redis, without_credentials
from caas.stack.state.directory import ServerEntry, ServiceEntry, StackFile, StateDir
from caas.stack.state.log_files import move_when_full
from caas.stack.state.secrets import StackSecrets, load_or_create
from caas.stack.supervisor.events import (
    EventSender,
    Notice,
    Ready,
    StackEvent,
    StepDone,
    StepStarted,
)
from caas.stack.supervisor.service_process import ManagedProcess, ServiceProcess
from caas.stack.supervisor.serving import ServingPlan
from caas.stack.supervisor.signals import SignalInbox, StopRequestedError
from caas.stack.supervisor.watching import Watch, Watched

TICK_S = 5.0
GIVEN_SERVERS = {
    "mongodb": ("MONGODB_URI", check_mongodb),
    "redis": ("REDIS_URL", check_redis),
}
EMBEDDED_SERVERS: dict[str, type[EmbeddedServer]] = {
    "mongodb": EmbeddedMongo,
    "redis": EmbeddedRedis,
}


class Supervisor:
    """One stack from start to stop; call `run` once, in the main thread of a process of its own.

    Args:
        options: What to start and where to keep it.
        specs: The services; not imported yet.
        sender: Hears of every step, of readiness and of restarts.
    """

    def __init__(
        self, options: StackOptions, specs: Sequence[ServiceSpec], sender: EventSender
    ) -> None:
        self._options = options
        self._settings = options.settings
        self._specs = specs
        self._sender = sender
        self._state = StateDir(options.state_dir)
        self._started_at = rfc3339(SystemClock().now_ms())
        self._timings_ms: dict[str, int] = {}
        self._instances: list[Instance] = []
        self._servers: dict[str, Watched] = {}
        self._services: dict[str, Watched] = {}
        self._server_urls: dict[str, str] = {}
        self._is_ready = False

    def run(self) -> None:
        """Start, watch until told to stop, and stop.

        Raises:
            StackError: The stack could not start; nothing of it is left.
        """
        self._state.prepare(free_min_bytes=self._settings.disk_free_min_bytes)
        self._lock = self._state.lock()
        self._lifeline, self._lifeline_writer = os.pipe()
        try:
            with SignalInbox() as self._signals:
                self._watch = Watch(self._signals, notice=self._notice, changed=self._write_down)
                try:
                    self._start()
                    self._signals.raising = False
                    self._watch.run_until_stop(TICK_S, self._move_full_server_logs)
                except StopRequestedError:
                    pass
                finally:
                    self._signals.raising = False
                    self._stop()
        finally:
            for descriptor in (self._lock, self._lifeline, self._lifeline_writer):
                os.close(descriptor)

    def _start(self) -> None:
        begun = time.monotonic()
        for name in self._state.clean_up_after_kill(deadline_s=self._settings.stop_deadline_s):
            self._notice("warning", f"ended {name}, left behind by a supervisor that was killed")
        secrets = load_or_create(self._state.secrets_path, self._options.environ)
        self._instances = open_instances(self._specs, self._options)
        self._launch_servers()
        # The data servers need this time anyway: import while they start.
        with self._step("import"):
            # What the collector freed here would be holes in pages that the services share, and
            # copy when they fill them.
            gc.disable()
            factories = {spec.app: load_app(spec) for spec in self._specs}
            gc.freeze()
            gc.enable()
        with self._step("servers"):
            self._await_servers()
        with self._step("services"):
            self._launch_services(factories, secrets)
            self._watch.await_ready(self._settings.ready_deadline_s)
        self._timings_ms["total"] = round((time.monotonic() - begun) * 1000)
        self._is_ready = True
        self._write_down()
        self._tell(Ready(stack=self._stack_file()))
        if self._options.detach:
            self._sender.close()

    def _launch_servers(self) -> None:
        needed = {server for spec in self._specs for server in spec.needs}
        before = self._state.read_server_ports()
        for name in sorted(needed):
            variable, _check = GIVEN_SERVERS[name]
            if given := self._options.environ.get(variable):
                self._server_urls[variable] = given
                continue
            server = EMBEDDED_SERVERS[name](
                self._state.path / name,
                self._state.logs,
                port=before.get(name),
                environ=self._options.environ,
                ready_deadline_s=self._settings.server_deadline_s,
            )
            self._servers[name] = self._watch.add(server)
            server.launch()
        self._write_processes()

    def _await_servers(self) -> None:
        for variable, check in GIVEN_SERVERS.values():
            if variable in self._server_urls:
                check(self._server_urls[variable])
        for name, server in self._embedded():
            server.wait_ready()
            self._server_urls[GIVEN_SERVERS[name][0]] = server.url
        ports = {name: server.port for name, server in self._embedded()}
        self._state.write_server_ports(ports)
        self._write_processes()

    def _embedded(self) -> Iterator[tuple[str, EmbeddedServer]]:
        for name, watched in self._servers.items():
            if isinstance(watched.process, EmbeddedServer):
                yield name, watched.process

    def _launch_services(
        self, factories: dict[str, Callable[[], Any]], secrets: StackSecrets
    ) -> None:
        for instance in self._instances:
            environment = environment_of(
                instance,
                options=self._options,
                instances=self._instances,
                server_urls=self._server_urls,
                secrets=secrets,
            )
            plan = ServingPlan(
                name=instance.name,
                factory=factories[instance.spec.app],
                listener=instance.listener,
                environment=environment,
                log_path=self._state.logs / f"{instance.name}.jsonl",
                lifeline=self._lifeline,
                stop_deadline_s=self._settings.stop_deadline_s,
                log_size_max_bytes=self._settings.log_size_max_bytes,
            )
            process = ServiceProcess(instance.spec, plan, self._close_in_child)
            watched = self._services[instance.name] = self._watch.add(process)
            watched.launch(self._watch.selector)
        self._write_processes()

    def _close_in_child(self, service: ServiceProcess) -> None:
        """Close what a service must not hold: the lock, the pipe's end, the others' sockets."""
        self._watch.close_in_child()
        self._signals.close()
        self._sender.close()
        os.close(self._lock)
        os.close(self._lifeline_writer)
        for instance in self._instances:
            if instance.listener is not service.listener:
                instance.listener.close()

    def _stop(self) -> None:
        """Front doors first, then the other services, then the data servers."""
        begun = time.monotonic()
        self._sender.send(StepStarted(name="stop"))
        self._watch.stop_asking()
        for instance in self._instances:
            instance.listener.close()
        services = list(self._services.values())
        fronts = [each.process for each in services if _is_front_door(each)]
        inner = [each.process for each in services if not _is_front_door(each)]
        self._stop_stage(fronts)
        self._stop_stage(inner)
        self._stop_stage([each.process for each in self._servers.values()])
        self._watch.close()
        self._state.forget()
        if self._options.ephemeral:
            self._state.destroy()
        elapsed_ms = round((time.monotonic() - begun) * 1000)
        self._sender.send(StepDone(name="stop", elapsed_ms=elapsed_ms))

    def _stop_stage(self, processes: Sequence[ManagedProcess]) -> None:
        begun = time.monotonic()
        running = [each for each in processes if each.pid]
        for process in running:
            process.terminate()
        if not self._watch.await_exit(running, self._settings.stop_deadline_s):
            for process in running:
                if process.exit_status() is None:
                    took_s = time.monotonic() - begun
                    self._notice("warning", f"{process.name} killed: no stop in {took_s:.1f} s")
                    process.kill()
        took_s = time.monotonic() - begun
        for process in running:
            ended = f"stopped with status {process.exit_status()}"
            self._notice("debug", f"{process.name} {ended}, its stage took {took_s:.1f} s")

    def _move_full_server_logs(self) -> None:
        for _name, server in self._embedded():
            if move_when_full(server.log_path, size_max_bytes=self._settings.log_size_max_bytes):
                server.reopen_log()

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        self._tell(StepStarted(name=name))
        yield
        elapsed_ms = round((time.monotonic() - begun) * 1000)
        self._timings_ms[name] = elapsed_ms
        self._tell(StepDone(name=name, elapsed_ms=elapsed_ms))

    def _tell(self, event: StackEvent) -> None:
        if not self._sender.send(event) and not self._is_ready:
            raise StopRequestedError  # who asked for the stack is gone

    def _notice(self, level: str, message: str) -> None:
        self._sender.send(Notice(level=level, message=message))
        self._state.append_log(level, message)

    def _write_down(self) -> None:
        """Bring `stack.json` and `processes.json` up to date."""
        self._write_processes()
        if self._is_ready:
            self._state.write_stack(self._stack_file())

    def _write_processes(self) -> None:
        children = {each.process.name: each.process.pid for each in self._watch.all}
        self._state.write_processes(children, ephemeral=self._options.ephemeral)

    def _stack_file(self) -> StackFile:
        endpoint = self._options.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        services = {
            name: ServiceEntry(
                url=each.process.url,
                service=each.process.spec.name,
                pid=each.process.pid,
                log=str(each.process.log_path),
                restarts=each.restarts,
            )
            for name, each in self._services.items()
            if isinstance(each.process, ServiceProcess)
        }
        servers: dict[str, ServerEntry] = {}
        for name, (variable, _check) in GIVEN_SERVERS.items():
            if variable not in self._server_urls:
                continue
            url = self._server_urls[variable]
            if name in self._servers:
                each = self._servers[name]
                log, pid = str(each.process.log_path), each.process.pid
                servers[name] = ServerEntry(
                    url=url, pid=pid, embedded=True, log=log, restarts=each.restarts
                )
            else:
                servers[name] = ServerEntry(url=without_credentials(url), pid=0, embedded=False)
        return StackFile(
            pid=os.getpid(),
            profile=self._options.profile,
            state_dir=str(self._state.path),
            started_at=self._started_at,
            otlp_endpoint=without_credentials(endpoint) if endpoint else None,
            secrets_file=str(self._state.secrets_path),
            services=services,
            servers=servers,
            ephemeral=self._options.ephemeral,
            timings_ms=self._timings_ms,
        )


def _is_front_door(watched: Watched) -> bool:
    return isinstance(watched.process, ServiceProcess) and watched.process.spec.front_door
