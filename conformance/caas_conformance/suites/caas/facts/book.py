"""The book of laws of the CAAS platform."""

from caas_conformance.laws.constraints import LAW as CONSTRAINTS
from caas_conformance.laws.coverage import LAW as COVERAGE
from caas_conformance.laws.facts import Book
from caas_conformance.laws.gone import LAW as GONE
from caas_conformance.laws.lifetimes import LAW as LIFETIMES
from caas_conformance.laws.lists import LAW as LISTS
from caas_conformance.laws.once import LAW as ONCE
from caas_conformance.laws.permissions import LAW as PERMISSIONS
from caas_conformance.laws.written import LAW as WRITTEN
from caas_conformance.suites.caas.facts import auth, gateway
from caas_conformance.suites.caas.facts.principals import CaasPrincipals
from caas_conformance.suites.caas.facts.resources import RESOURCES

BOOK = Book(
    principals=CaasPrincipals(),
    operations=(*gateway.OPERATIONS, *auth.OPERATIONS),
    resources=RESOURCES,
    document_path="/documentation/json",
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
    },
)
