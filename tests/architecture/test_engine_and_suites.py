"""The engine of the runner knows no system under test; a suite brings what there is to know."""

from pathlib import Path

from caas_conformance.plan import suites
from caas_conformance.suites.caas import context, operations

ENGINE = Path(__file__).parents[2] / "conformance" / "caas_conformance"
ALWAYS = {"tenant", "x-api-key", "api_key", "/api/v1", "/internal/", "caas.stack", "caas.cli"}
EVERYWHERE = {"/health"}
"""What any system may have, and a suite gets when it says nothing."""


def words_of_the_platform() -> set[str]:
    """Return the names of its services, routes, headers and variables, as its suite has them."""
    suite = suites.find("caas")
    routes = {
        value
        for value in vars(operations).values()
        if isinstance(value, str) and value.startswith("/")
    }
    ways = {suite.health, suite.document, suite.markers} - {""}
    named = {*suite.services, *suite.secrets, *suite.secrets.values(), context.SECRET_HEADER}
    return (ALWAYS | routes | ways | named) - EVERYWHERE


def test_the_engine_names_nothing_of_the_platform() -> None:
    """Code, docstrings and messages: a stranger's suite reads them, too."""
    words = words_of_the_platform()
    naming = {
        f"{path.relative_to(ENGINE)}: {word}"
        for path in ENGINE.rglob("*.py")
        if "suites" not in path.relative_to(ENGINE).parts
        for word in words
        if word in path.read_text().lower()
    }

    assert {"gateway", "auth-service", "x-service-secret"} < words
    assert not naming
