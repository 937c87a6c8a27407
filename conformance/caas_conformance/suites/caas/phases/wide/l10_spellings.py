"""L10: the same thing, written otherwise."""

from caas_conformance.laws.wide.spellings import spellings
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = spellings(BOOK, "L10")
