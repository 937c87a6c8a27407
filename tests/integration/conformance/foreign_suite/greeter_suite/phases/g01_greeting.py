"""G01: who is greeted."""

from caas_conformance.authoring import Phase
from greeter_suite.context import GreeterContext

PHASE = Phase("G01", "Greeting", "Who is greeted, and who is not.")


@PHASE.case(
    "G01.01",
    "A name is greeted",
    proves="The greeter says hello to whoever says a name.",
    requirements=["GREET-01"],
)
async def by_name(t: GreeterContext) -> None:
    """Red when the greeting lacks the name."""
    name = t.unique("alice")
    answer = await t.greet(name)
    with t.check("greeted", "the greeting has the name") as check:
        check.status(answer, 200)
        check.equal(answer.at("greeting"), f"Hello, {name}!")


@PHASE.case(
    "G01.02",
    "Nobody is not greeted",
    proves="The greeter wants to know whom it greets.",
    requirements=["GREET-02"],
)
async def nobody(t: GreeterContext) -> None:
    """Red when an empty name is greeted, which is the fault that this greeter has."""
    answer = await t.greet("")
    with t.check("refused", "an empty name is refused") as check:
        check.status(answer, 400, because="its only refusal, without a document")
