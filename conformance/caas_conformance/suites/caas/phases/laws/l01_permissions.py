"""L01: the permission matrix of every operation in the table of facts."""

from caas_conformance.laws.permissions import permissions
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = permissions(BOOK, "L01")
