"""L20: scopes do not widen."""

from caas_conformance.laws.wide.widening import widening
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = widening(BOOK, "L20")
