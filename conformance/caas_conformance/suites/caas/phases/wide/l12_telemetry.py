"""L12: what the services record of requests."""

from caas_conformance.laws.wide.telemetry import telemetry
from caas_conformance.suites.caas.facts.book import BOOK

PHASE = telemetry(BOOK, "L12")
