"""What a case of this suite holds in its hands."""

from caas_conformance.authoring import Answer, CaseContext

GREETER = "greeter"


class GreeterContext(CaseContext):
    """One attempt of one case against the greeter."""

    async def greet(self, name: str) -> Answer:
        """Ask to be greeted."""
        return await self.service(GREETER).get("/greeting", query={"name": name})
