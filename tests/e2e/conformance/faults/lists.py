"""Lists that skip, repeat, reorder, or show another's."""

from typing import Any

from faults.mutant import mutant, part, rewrite_answer


@mutant("L03", red="L03.G04 L03.A31")
def page_repeats() -> None:
    """Each page begins with the last element of the page before."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")
    page = store.page

    async def overlapping(self: Any, tenant_id: Any, *, after: Any, limit: int) -> Any:
        found = await page(self, tenant_id, after=after, limit=limit)
        if after is None:
            return found
        again = await self.find(tenant_id, after)
        return [again, *found][:limit] if again is not None else found

    store.page = overlapping


@mutant("L03", red="L03.G04")
def page_skips() -> None:
    """Each further page leaves its first element out."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")
    page = store.page

    async def skipping(self: Any, tenant_id: Any, *, after: Any, limit: int) -> Any:
        found = await page(self, tenant_id, after=after, limit=limit + (after is not None))
        return found[1:] if after is not None else found

    store.page = skipping


@mutant("L03", red="L03.G08 L03.A17")
def last_page_missing() -> None:
    """A list says that it ends one page too early."""

    def early(status: int, body: Any, _: Any) -> Any:
        if status == 200 and len(body.get("sessions", [])) < 4:
            body["next_cursor"] = None
        return status, body

    rewrite_answer("auth", "GET", "/api/v1/sessions", early)


@mutant("L03", red="L03.A31")
def strangers_cursor_taken() -> None:
    """The cursor of another tenant opens that tenant's list."""
    store = part("caas.auth.store.keys:MongoNamedKeyStore")
    page = store.page

    async def following(self: Any, tenant_id: Any, *, after: Any, limit: int) -> Any:
        if after is not None:
            mark = await self._raw.find_one({"_id": after})
            tenant_id = mark["tenant_id"] if mark else tenant_id
        return await page(self, tenant_id, after=after, limit=limit)

    store.page = following


@mutant("L03", red="L03.G08")
def order_by_size() -> None:
    """Small pages are in another order than large ones."""

    def turned(status: int, body: Any, _: Any) -> Any:
        if status == 200 and len(body.get("sessions", [])) > 4:
            body["sessions"] = body["sessions"][::-1]
        return status, body

    rewrite_answer("auth", "GET", "/api/v1/sessions", turned)
