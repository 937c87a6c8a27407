"""Which operations and statuses of the documents were seen, and by which case first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from caas_conformance.contract.document import Contract
from caas_conformance.contract.rules import Asked
from caas_reports import model

ERRORS_FROM = "4"


@dataclass(slots=True)
class _Count:
    times: int = 0
    first_case: str = ""


class Seen:
    """Counts answers by operation and status; begins with every one that is documented."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._counts: dict[tuple[str, str, str], dict[str, _Count]] = {
            (contract.service, operation.path, operation.method): {
                key: _Count() for key in operation.responses
            }
            for contract in contracts
            for operation in contract.operations
        }

    def add(self, service: str, asked: Asked, status: int, case_id: str) -> None:
        """Note one answer; what no document lists is not kept."""
        counts = self._counts.get((service, asked.path, asked.method))
        if counts is None:
            return
        count = counts.setdefault(str(status), _Count())
        count.times += 1
        # Cases run side by side: the first by its id is the same in each run.
        count.first_case = min(count.first_case or case_id, case_id)

    def operations(self, excepted: Mapping[str, str]) -> tuple[model.DocumentedOperation, ...]:
        """Return every documented operation with what was seen of it."""
        return tuple(
            model.DocumentedOperation(
                service=service,
                method=method,
                path=path,
                answers=tuple(
                    model.SeenAnswer(status=status, times=c.times, first_case=c.first_case)
                    for status, c in sorted(counts.items())
                ),
                unseen_because=excepted.get(f"{service} {method} {path}", ""),
            )
            for (service, path, method), counts in sorted(self._counts.items())
        )


def never_succeeded(operations: Iterable[model.DocumentedOperation]) -> list[str]:
    """Return the operations without a success, those apart that have a reason."""
    return [
        f"{one.service} {one.method} {one.path}"
        for one in operations
        if not one.unseen_because and not _succeeded(one)
    ]


def stale_exceptions(
    operations: Iterable[model.DocumentedOperation], excepted: Iterable[str]
) -> list[str]:
    """Return exceptions that are none: the operation succeeded, or does not exist."""
    known = {f"{one.service} {one.method} {one.path}": one for one in operations}
    return [name for name in excepted if name not in known or _succeeded(known[name])]


def _succeeded(operation: model.DocumentedOperation) -> bool:
    return any(one.times and one.status < ERRORS_FROM for one in operation.answers)
