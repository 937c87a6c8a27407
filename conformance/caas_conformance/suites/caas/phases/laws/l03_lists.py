"""L03: lists, page by page."""

from caas_conformance.laws.lists import lists
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = lists(BOOK, "L03")
