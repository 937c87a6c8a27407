"""L02: every documented constraint of every request."""

from caas_conformance.laws.constraints import constraints
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = constraints(BOOK, "L02")
