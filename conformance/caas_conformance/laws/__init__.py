"""Laws: rules written once that apply to every operation they fit.

Which operations there are is said by the OpenAPI documents and a suite's table of facts; the
engine's laws know no service. Whether single answers keep to their document is in `contract`.
"""

from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.constraints import constraints
from caas_conformance.laws.facts import Book
from caas_conformance.laws.gone import gone
from caas_conformance.laws.lifetimes import lifetimes
from caas_conformance.laws.lists import lists
from caas_conformance.laws.once import once
from caas_conformance.laws.permissions import permissions
from caas_conformance.laws.wide.coverage import coverage
from caas_conformance.laws.wide.faults import faults
from caas_conformance.laws.wide.limits import limits
from caas_conformance.laws.wide.spellings import spellings
from caas_conformance.laws.wide.telemetry import telemetry
from caas_conformance.laws.wide.truth import truth
from caas_conformance.laws.wide.unsampled import unsampled
from caas_conformance.laws.wide.widening import widening
from caas_conformance.laws.written import written

LAWS = {
    "L00": coverage,
    "L01": permissions,
    "L02": constraints,
    "L03": lists,
    "L04": gone,
    "L05": written,
    "L06": once,
    "L07": lifetimes,
    "L20": widening,
    "L08": limits,
    "L09": unsampled,
    "L10": spellings,
    "L11": truth,
    "L12": telemetry,
    "F01": faults,
}
"""Each law by the phase that holds its cases."""


def every_law(book: Book) -> list[Phase]:
    """Return the phase of each law over *book* that fits an operation."""
    phases = [law(book, phase_id) for phase_id, law in LAWS.items()]
    return [phase for phase in phases if phase.cases]
