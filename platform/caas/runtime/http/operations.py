"""How a route says in one line what it needs and how it may refuse.

    @post("/register", **operation(ConflictError, idempotent=True))

The OpenAPI document, the statuses in it and the idempotency layer all read what is said here.
"""

from typing import Any, Final

from caas.kernel.errors import CaasError

Requirement = dict[str, list[str]]

BEARER: Final[Requirement] = {"bearer": []}
API_KEY: Final[Requirement] = {"apiKey": []}
SERVICE_SECRET: Final[Requirement] = {"serviceSecret": []}

ERRORS_OPTION = "caas_errors"
IDEMPOTENT_OPTION = "caas_idempotent"


def operation(
    *errors: type[CaasError],
    security: tuple[Requirement, ...] = (),
    idempotent: bool = False,
) -> dict[str, Any]:
    """Return keyword arguments for a Litestar route decorator.

    Args:
        errors: What the route itself may raise, by base class or leaf; what the edge adds for
            every route (400, 413, 415, ...) and 401 where `security` is given go without saying.
        security: Alternatives, any one of which is enough; none for a public route.
        idempotent: Whether `Idempotency-Key` is honoured; for POSTs that create.
    """
    return {
        "security": [dict(requirement) for requirement in security] or None,
        "opt": {ERRORS_OPTION: errors, IDEMPOTENT_OPTION: idempotent},
    }
