"""L05: what was written."""

from caas_conformance.laws.written import written
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = written(BOOK, "L05")
