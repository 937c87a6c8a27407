"""L08: quotas, spent."""

from caas_conformance.laws.wide.limits import limits
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = limits(BOOK, "L08")
