"""The published JSON Schemas, generated from the models; `caas report schema` writes them."""

import inspect
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from caas_reports import model
from caas_reports.comparison import baseline

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _tidied(schema: Any) -> Any:
    """Take the indentation out of descriptions: Python 3.13 keeps docstrings without it."""
    if isinstance(schema, list):
        return [_tidied(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: inspect.cleandoc(member)
        if name == "description" and isinstance(member, str)
        else _tidied(member)
        for name, member in schema.items()
    }


def _document(title: str, version: str, kind: type) -> bytes:
    schema: dict[str, Any] = _tidied(msgspec.json.schema(kind))
    head = {"$schema": _DIALECT, "$id": f"urn:caas:schema:{title}:{version}"}
    encoded = msgspec.json.encode({**head, **schema}, order="deterministic")
    return msgspec.json.format(encoded, indent=2) + b"\n"


def documents() -> MappingProxyType[str, bytes]:
    """Give every published schema by its file name."""
    return MappingProxyType(
        {
            "run.schema.json": _document("run", model.SCHEMA_VERSION, model.Run),
            "baseline.schema.json": _document(
                "baseline", baseline.SCHEMA_VERSION, baseline.Baseline
            ),
        }
    )


def stale(directory: Path) -> list[str]:
    """List the files of a directory that are not what the models say, or are missing."""
    return [
        name
        for name, content in documents().items()
        if not (directory / name).is_file() or (directory / name).read_bytes() != content
    ]


def write(directory: Path) -> list[Path]:
    """Write every schema into a directory, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in documents().items():
        (directory / name).write_bytes(content)
        paths.append(directory / name)
    return paths
