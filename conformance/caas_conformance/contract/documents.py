"""Fetch each service's OpenAPI document, once a run."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from caas_conformance.contract.document import Contract
from caas_conformance.contract.pointers import DocumentError
from caas_conformance.wire.answer import Answer
from caas_conformance.wire.client import Endpoint, ServiceClient, Wire
from caas_conformance.wire.trace_context import AttemptTrace

FETCH_TIMEOUT_S = 15.0
DOCUMENT_BYTES_MAX = 8 * 1024 * 1024
OK = 200


@dataclass(frozen=True, slots=True)
class Contracts:
    """The contract of each service, and why one can't be judged by.

    Attributes:
        services: By `service.name`.
        unusable: Why the document of a service can't be used, by `service.name`.
    """

    services: Mapping[str, Contract]
    unusable: Mapping[str, str]


async def fetch(endpoints: Mapping[str, Endpoint], path: str) -> Contracts:
    """Read the document of every service at *path*."""
    read = await asyncio.gather(*(_fetch(endpoint, path) for endpoint in endpoints.values()))
    found = dict(zip(endpoints, read, strict=True))
    return Contracts(
        {name: said for name, said in found.items() if isinstance(said, Contract)},
        {name: said for name, said in found.items() if isinstance(said, str)},
    )


async def _fetch(endpoint: Endpoint, path: str) -> Contract | str:
    wire = Wire(AttemptTrace("contract", "contract", 1), lambda: None)
    try:
        answer = await ServiceClient(wire, endpoint, lambda _: None).get(
            path, timeout_s=FETCH_TIMEOUT_S
        )
        return _contract(endpoint.service, answer)
    except DocumentError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it sends, the run goes on and says so
        return f"it can't be read: {type(error).__name__}: {error}"
    finally:
        wire.close()


def _contract(service: str, answer: Answer) -> Contract:
    if answer.status != OK:
        raise DocumentError(f"it was answered {answer.outcome}")
    if len(answer.content) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"it is over {DOCUMENT_BYTES_MAX} bytes")
    if not isinstance(answer.json, dict):
        raise DocumentError("it is no JSON object")
    return Contract(service, answer.json)
