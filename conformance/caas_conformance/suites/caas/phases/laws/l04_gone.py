"""L04: what was ended."""

from caas_conformance.laws.gone import gone
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = gone(BOOK, "L04")
