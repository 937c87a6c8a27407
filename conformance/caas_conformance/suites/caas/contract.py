"""What CAAS promises of every answer, beyond the documents of its services."""

import re

from caas_conformance.authoring import AnswerHeader, ContractFacts

CONTRACT = ContractFacts(
    headers=(
        AnswerHeader(
            name="x-correlation-id",
            pattern=re.compile(r"(?P<same>[A-Za-z0-9._-]{1,128})"),
            echoes="x-correlation-id",
        ),
        AnswerHeader(
            name="traceresponse",
            pattern=re.compile(
                r"(?!ff)[0-9a-f]{2}-(?P<same>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
            ),
            echoes="traceparent",
        ),
    ),
    status_headers={
        401: ("www-authenticate",),
        405: ("allow",),
        429: ("retry-after",),
        503: ("retry-after",),
    },
    before_routing=frozenset({400, 408, 413, 414, 415, 431, 503}),
    trailing_slash=True,
    requirements=("HLT-12",),
    outside={
        "/documentation": "the page about the document",
        "/documentation/json": "the document itself",
    },
)
