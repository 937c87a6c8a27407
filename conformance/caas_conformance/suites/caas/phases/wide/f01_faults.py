"""F01: dependencies go, services are killed."""

from caas_conformance.laws.wide.faults import faults
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = faults(BOOK, "F01")
