"""L06: idempotency keys."""

from caas_conformance.laws.once import once
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = once(BOOK, "L06")
