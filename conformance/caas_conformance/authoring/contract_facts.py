"""What a suite promises of every answer, beyond what the OpenAPI documents say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerHeader:
    """A header that every answer carries.

    Attributes:
        name: In lower case.
        pattern: Matches its whole value. A group `same` is what must agree with the request.
        echoes: The request header that it answers, in lower case; where that one matches the
            pattern too, the two groups `same` are equal.
    """

    name: str
    pattern: re.Pattern[str]
    echoes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFacts:
    """One suite's table for the contract check.

    Attributes:
        headers: What every answer carries, errors included.
        status_headers: Headers that every answer of a status carries: `{405: ("allow",)}`.
        problem_media_type: The type of every body from 400 up; empty promises none.
        outside: Paths that no document lists, each with the reason.
        elsewhere: Statuses for a path that no document lists.
        other_methods: Statuses for a method that a listed path does not have.
        options: Statuses for OPTIONS of a listed path, which need not be documented.
        before_routing: Statuses by which requests are refused before path and method are looked
            at; for what is documented, the document has to list them.
        below_edge: Statuses by which bytes are refused that are no HTTP request. Answers with
            one of them to raw bytes, or to a method that nobody registered, may come from below
            the service and are not judged.
        trailing_slash: Whether a path with a slash at its end is the one without.
        public_members: Members whose name looks like a secret's, and which are none.
        unseen: Operations, `service METHOD /path`, whose success no case can see, with the
            reason.
        requirements: Ids that the contract's checks cover.
    """

    headers: tuple[AnswerHeader, ...] = ()
    status_headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    problem_media_type: str = "application/problem+json"
    outside: Mapping[str, str] = field(default_factory=dict)
    elsewhere: frozenset[int] = frozenset({404})
    other_methods: frozenset[int] = frozenset({405})
    options: frozenset[int] = frozenset({200, 204})
    before_routing: frozenset[int] = frozenset()
    below_edge: frozenset[int] = frozenset({400, 408, 411, 413, 414, 417, 431, 501, 505})
    trailing_slash: bool = False
    public_members: frozenset[str] = frozenset()
    unseen: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
