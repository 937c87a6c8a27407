"""L07: how long tokens live."""

from caas_conformance.laws.lifetimes import lifetimes
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = lifetimes(BOOK, "L07")
