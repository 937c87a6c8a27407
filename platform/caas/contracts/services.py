"""What one service is called and where it is found: one `ServiceSpec` per service.

Each service package declares its own as `SERVICE` in its `settings` module; the supervisor
and the command line find services by that name alone, so a new service is a new folder.
"""

import msgspec


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One service, as operators see it.

    Attributes:
        name: `service.name` in telemetry, logs, stack file and containers.
        app: Import path of the ASGI app factory, `package.module:callable`.
        seed_port: The port the seed documents expect (design, section 3).
        profiles: The `caas up` profiles that start it.
        url_env: The environment variable by which other services learn its URL.
        instances: How many instances `caas up` starts at least; their logs and entries in the
            stack file are `<name>-<n>` when over 1, their `service.name` is the same.
        needs: Embedded servers it cannot work without: `mongodb`, `redis`.
        assistant_port: The port in the profile `assistant`, where that is another one.
        front_door: It takes traffic for the others: started last, stopped first, so that no
            request from outside meets a half-stopped platform.
        secrets: Which of the stack's secrets it is given: `service_secret`, `key_pepper`.
    """

    name: str
    app: str
    seed_port: int
    profiles: tuple[str, ...]
    url_env: str
    instances: int = 1
    needs: tuple[str, ...] = ("mongodb", "redis")
    assistant_port: int | None = None
    front_door: bool = False
    secrets: tuple[str, ...] = ("service_secret", "key_pepper")
