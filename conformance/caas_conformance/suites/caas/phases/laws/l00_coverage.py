"""L00: nothing escapes the laws."""

from caas_conformance.laws.wide.coverage import coverage
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = coverage(BOOK, "L00")
