"""The book of laws of the CAAS platform."""

from caas_conformance.laws.constraints import LAW as CONSTRAINTS
from caas_conformance.laws.facts import Book
from caas_conformance.laws.gone import LAW as GONE
from caas_conformance.laws.lifetimes import LAW as LIFETIMES
from caas_conformance.laws.lists import LAW as LISTS
from caas_conformance.laws.once import LAW as ONCE
from caas_conformance.laws.permissions import LAW as PERMISSIONS
from caas_conformance.laws.wide.coverage import LAW as COVERAGE
from caas_conformance.laws.wide.faults import LAW as FAULTS
from caas_conformance.laws.wide.limits import LAW as LIMITS
from caas_conformance.laws.wide.spellings import LAW as SPELLINGS
from caas_conformance.laws.wide.telemetry import LAW as TELEMETRY
from caas_conformance.laws.wide.truth import LAW as TRUTH
from caas_conformance.laws.wide.unsampled import LAW as UNSAMPLED
from caas_conformance.laws.wide.widening import LAW as WIDENING
from caas_conformance.laws.written import LAW as WRITTEN
from caas_conformance.suites.caas.facts import auth, gateway
from caas_conformance.suites.caas.facts.comparisons import COMPARISONS
from caas_conformance.suites.caas.facts.numbers import LAST_SEEN, TALLIES
from caas_conformance.suites.caas.facts.principals import CaasPrincipals
from caas_conformance.suites.caas.facts.processes import DEATHS, OUTAGES
from caas_conformance.suites.caas.facts.quotas import QUOTAS
from caas_conformance.suites.caas.facts.resources import RESOURCES

BOOK = Book(
    principals=CaasPrincipals(),
    operations=(*gateway.OPERATIONS, *auth.OPERATIONS),
    resources=RESOURCES,
    quotas=QUOTAS,
    comparisons=COMPARISONS,
    tallies=TALLIES,
    last_seen=LAST_SEEN,
    outages=OUTAGES,
    deaths=DEATHS,
    ahead=frozenset({"expires_at"}),
    document_path="/documentation/json",
    health_path="/internal/health",
    ready_path="/internal/ready",
    metrics_path="/internal/metrics",
    uptime_at="uptime",
    access_line="request",
    database="mongodb",
    volatile=frozenset({"as_of", "last_used_at", "last_activity_at", "is_current"}),
    secret=frozenset(
        {"key", "api_key", "api_secret", "access_token", "refresh_token", "secondary_key"}
    ),
    requirements={
        COVERAGE: ("LAW-01",),
        PERMISSIONS: ("LAW-02",),
        CONSTRAINTS: ("LAW-03",),
        LISTS: ("LAW-04",),
        GONE: ("LAW-05",),
        WRITTEN: ("LAW-06",),
        ONCE: ("LAW-07",),
        LIFETIMES: ("LAW-08",),
        WIDENING: ("LAW-09",),
        LIMITS: ("LAW-11",),
        UNSAMPLED: ("LAW-12",),
        SPELLINGS: ("LAW-13",),
        TRUTH: ("LAW-14",),
        TELEMETRY: ("LAW-15",),
        FAULTS: ("LAW-16",),
    },
)
