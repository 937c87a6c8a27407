"""L09: requests that are not recorded."""

from caas_conformance.laws.wide.unsampled import unsampled
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = unsampled(BOOK, "L09")
