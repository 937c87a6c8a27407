"""Rules that go unapplied behind others that still refuse, and set-ups that never happened."""

import re

from faults.mutant import mutant, part


@mutant("S02", red="S02.11")
def common_passwords_taken() -> None:
    """A password that everybody knows is taken, when it is long and mixed enough."""
    part("caas.auth.domain.clients")._COMMON_PASSWORDS = frozenset()


@mutant("S02", red="S02.12")
def uniform_passwords_taken() -> None:
    """A password of one kind of characters is not refused for that."""
    part("caas.auth.domain.clients")._THREE_KINDS = re.compile("")


@mutant("S06", red="S06.20")
def old_key_forgotten() -> None:
    """A rotation takes the key away that live tokens are signed by."""
    signing = part("caas.auth.service.sessions.signing")
    published = signing.published

    signing.published = lambda keys, now_ms: published(keys, now_ms=now_ms)[:1]


@mutant("S06", red="S06.20")
def new_key_never_signs() -> None:
    """A rotated key is published and never used."""
    signing = part("caas.auth.service.sessions.signing")

    signing.signer = lambda keys, now_ms: min(keys, key=lambda key: key.sequence)  # noqa: ARG005
