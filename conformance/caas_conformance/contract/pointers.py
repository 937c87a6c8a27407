"""References within an OpenAPI document (RFC 6901 in a URI fragment)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

REFERENCES_MAX = 32


class DocumentError(Exception):
    """An OpenAPI document can't be judged by; the message says where it is broken."""


def resolve(document: Mapping[str, Any], reference: str) -> Any:
    """Return what a reference points to.

    Raises:
        DocumentError: it leads out of the document, or to nothing.
    """
    if not reference.startswith("#"):
        raise DocumentError(f"{reference} leads out of the document")
    found: Any = document
    for part in reference.removeprefix("#").split("/")[1:]:
        step = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise DocumentError(f"{reference} leads to nothing")
    return found


def followed(document: Mapping[str, Any], node: Any) -> Any:
    """Return what *node* refers to, and what that refers to; itself when it refers to nothing.

    Raises:
        DocumentError: a reference leads nowhere, or round in a circle.
    """
    for _ in range(REFERENCES_MAX):
        if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
            return node
        node = resolve(document, node["$ref"])
    raise DocumentError(f"over {REFERENCES_MAX} references in a row")
