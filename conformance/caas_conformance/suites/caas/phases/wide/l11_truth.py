"""L11: numbers, names, times."""

from caas_conformance.laws.wide.truth import truth
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = truth(BOOK, "L11")
