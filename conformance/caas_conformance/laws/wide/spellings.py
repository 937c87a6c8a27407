"""Same person, same thing: what is written in another way is the same at every place that compares.

And what only looks alike is not. The spellings are the formats' own; where which of them is
compared is in the table of facts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.laws.facts import Book
from caas_conformance.laws.wide.facts import Comparison
from caas_conformance.laws.world import World

LAW = "spellings"
REFUSED = 400


@dataclass(frozen=True, slots=True)
class Spellings:
    """One thing, as it is kept, what is the same, and what is not.

    Attributes:
        name: For the checks' ids.
        kept: `{}` in it and in the others stands for a part of the attempt's own.
    """

    name: str
    kept: str
    same: tuple[str, ...]
    different: tuple[str, ...]


EMAILS = (
    Spellings("case", "Ada-{}@mail.example.com",
              ("ada-{}@mail.example.com", "ADA-{}@MAIL.EXAMPLE.COM", "aDa-{}@Mail.Example.com"),
              ("ada-{}@example.com", "a.da-{}@mail.example.com", "ada-{}+tag@mail.example.com",
               "\u0430da-{}@mail.example.com")),
    Spellings("domain", "ada-{}@b\u00fccher.example.com",
              ("ada-{}@xn--bcher-kva.example.com", "ada-{}@B\u00dcCHER.example.com",
               "ada-{}@bu\u0308cher.example.com"),
              ("ada-{}@bucher.example.com", "ada-{}@buecher.example.com")),
    Spellings("composed", "\u00e9va-{}@mail.example.com",
              ("e\u0301va-{}@mail.example.com", "\u00c9VA-{}@mail.example.com"),
              ("eva-{}@mail.example.com", "\u00e8va-{}@mail.example.com")),
)  # fmt: skip
"""RFC 6531, Unicode normalisation, IDNA; case as no provider that people use tells it apart."""

ADDRESSES = (
    Spellings("ipv4", "203.0.113.7", ("203.0.113.7", "::ffff:203.0.113.7", "::FFFF:cb00:7107"),
              ("203.0.113.70", "203.0.113.6", "::203.0.113.7")),
    Spellings("mapped", "::ffff:203.0.113.7", ("203.0.113.7", "::ffff:cb00:7107"),
              ("203.0.113.8", "::ffff:203.0.113.8")),
    Spellings("ipv6", "2001:db8::a:1",
              ("2001:0db8:0000:0000:0000:0000:000a:0001", "2001:DB8::A:1", "2001:db8:0::a:1"),
              ("2001:db8::a:10", "2001:db8::a1", "2001:db8:a::1")),
)  # fmt: skip
"""RFC 4291, 2.2 and 2.5.5.2; RFC 5952."""

NETWORKS = (
    Spellings("ipv4-network", "203.0.113.0/25", ("203.0.113.127", "::ffff:203.0.113.1"),
              ("203.0.113.128", "203.0.112.1", "::ffff:203.0.113.128")),
    Spellings("mapped-network", "::ffff:203.0.113.0/121", ("203.0.113.127",), ("203.0.113.128",)),
    Spellings("ipv6-network", "2001:db8:1:2::/64", ("2001:DB8:1:2:ffff:ffff:ffff:ffff",),
              ("2001:db8:1:3::1", "2001:db8:1::2")),
)  # fmt: skip

ORIGINS = (
    Spellings("https", "https://app-{}.example.com",
              ("HTTPS://APP-{}.Example.COM", "https://app-{}.example.com:443"),
              ("http://app-{}.example.com", "https://app-{}.example.com:8443",
               "https://app-{}.example.com.evil.example", "https://evil-app-{}.example.com",
               "https://example.com", "null")),
    Spellings("port", "http://app-{}.example.com:8080", ("HTTP://app-{}.EXAMPLE.com:8080",),
              ("http://app-{}.example.com", "http://app-{}.example.com:80",
               "https://app-{}.example.com:8080")),
    Spellings("default-port", "http://app-{}.example.com:80", ("http://app-{}.example.com",),
              ("https://app-{}.example.com", "http://app-{}.example.com:443")),
    Spellings("ipv6-host", "https://[2001:db8::1]", ("https://[2001:0DB8:0:0::1]:443",),
              ("https://[2001:db8::2]",)),
)  # fmt: skip
"""RFC 6454, 4 and 5."""

FORMATS: Mapping[str, Sequence[Spellings]] = {
    "email": EMAILS,
    "address": ADDRESSES,
    "network": NETWORKS,
    "origin": ORIGINS,
}


def spellings(book: Book, phase_id: str) -> Phase:
    """Return the phase that writes what *book*'s operations compare in other ways."""
    phase = Phase(
        phase_id,
        "Law: same person, same thing",
        "Addresses and origins are compared by what they mean, wherever they are compared.",
        tags=("law", "security"),
    )
    for comparison in book.comparisons:
        _add(phase, book, comparison)
    return phase


def _add(phase: Phase, book: Book, comparison: Comparison) -> None:
    @phase.case(
        f"{phase.id}.{comparison.number}",
        f"{comparison.what}: {comparison.format} is compared by what it means",
        proves="Nobody is shut out for writing it otherwise, and nobody gets in for looking alike.",
        requirements=book.requirements[LAW],
    )
    async def compared_by_meaning(t: CaseContext) -> None:
        """Red when two spellings are two things, or two things are one."""
        for kept in FORMATS[comparison.format]:
            await compared(World(t, book), comparison, kept)


async def compared(world: World, comparison: Comparison, spelt: Spellings) -> None:
    """Keep one spelling, and show each of the others."""
    t = world.t
    party, own = await world.party(), t.unique("law").rpartition("-")[2]
    fill: Callable[[str], str] = lambda text: text.replace("{}", own)  # noqa: E731 - short
    rows = [(s, comparison.same) for s in spelt.same] + [
        (s, comparison.different) for s in spelt.different
    ]
    kept = False
    for number, (spelling, status) in enumerate(rows):
        if not kept or (comparison.uses_up and status == comparison.same):
            await comparison.keep(t, party, fill(spelt.kept))
            kept = True
        answer = await comparison.show(t, party, fill(spelling))
        claim = "is" if status == comparison.same else "is not"
        title = f"{spelling.encode('ascii', 'backslashreplace').decode()} {claim} {spelt.name}"
        with t.check(f"{spelt.name}-{number}", title, go_on=True) as check:
            if status < REFUSED:
                check.status(answer, status)
            else:
                check.problem(answer, status, code=comparison.code)
