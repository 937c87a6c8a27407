"""A browsable page made from an OpenAPI document: no script, no other host, works offline."""

from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--line:#8885;--soft:#8882}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0;padding:.3rem .7rem}
summary{cursor:pointer}code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:var(--soft);padding:.5rem;overflow:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.15rem .6rem .15rem 0;vertical-align:top}
td,th{border-top:1px solid var(--line)}
.m{display:inline-block;min-width:4.2rem;font-weight:600}h2{margin-top:2rem}.lock{opacity:.7}
"""
DEPTH_MAX = 6

Document = dict[str, Any]


def render_page(document: Document) -> bytes:
    """Write *document* as one HTML page."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, item in sorted(document.get("paths", {}).items()):
        for method, operation in sorted(item.items()):
            if isinstance(operation, dict):
                tag = (operation.get("tags") or ["routes"])[0]
                groups.setdefault(tag, []).append(_operation(document, path, method, operation))
    body = "".join(
        f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(parts)}'
        for tag, parts in sorted(groups.items())
    )
    title = escape(f"{info['title']} {info['version']}")
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>{escape(info.get('description', ''))} "
        f'<a href="/documentation/json">OpenAPI 3.1</a></p>'
        f"{body}</html>"
    )
    return page.encode()


def _operation(document: Document, path: str, method: str, operation: Document) -> str:
    secured = operation.get("security")
    lock = ""
    if secured:
        names = " or ".join(" + ".join(requirement) or "none" for requirement in secured)
        lock = f' <span class="lock">needs {escape(names)}</span>'
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    if parameters := operation.get("parameters"):
        parts.append(_parameters(parameters))
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<h4>Body <code>{escape(media)}</code></h4>")
        parts.append(f"<pre>{_shape(document, content.get('schema', {}))}</pre>")
    parts.append(_responses(document, operation.get("responses", {})))
    return (
        f'<details id="{escape(operation.get("operationId", path))}"><summary>'
        f'<span class="m">{method.upper()}</span><code>{escape(path)}</code> '
        f"{escape(operation.get('summary', ''))}{lock}</summary>{''.join(parts)}</details>"
    )


def _parameters(parameters: list[Document]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}"
        f"<td>{'required' if p.get('required') else ''}<td>{escape(p.get('description', ''))}"
        for p in parameters
    )
    return f"<table><tr><th>Parameter<th>In<th><th>{rows}</table>"


def _responses(document: Document, responses: Document) -> str:
    rows = []
    for status, response in sorted(responses.items()):
        response = _resolve(document, response)  # noqa: PLW2901 - the same thing, looked up
        shape = ""
        if status < "300":
            for content in response.get("content", {}).values():
                shape = f"<pre>{_shape(document, content.get('schema', {}))}</pre>"
        text = escape(response.get("description") or "")
        rows.append(f"<tr><td><code>{escape(status)}</code><td>{text}{shape}")
    return f"<table><tr><th>Status<th>{''.join(rows)}</table>"


def _resolve(document: Document, node: Document) -> Document:
    reference = node.get("$ref")
    if not isinstance(reference, str):
        return node
    found: Any = document
    for key in reference.removeprefix("#/").split("/"):
        found = found.get(key, {})
    return found if isinstance(found, dict) else {}


def _shape(document: Document, schema: Document, depth: int = 0) -> str:
    """Write a schema as an indented sketch; what nests deeper than `DEPTH_MAX` is cut."""
    schema = _resolve(document, schema)
    pad = "  " * (depth + 1)
    if depth >= DEPTH_MAX:
        return "..."
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return " | ".join(_shape(document, part, depth) for part in schema[choice])
    if properties := schema.get("properties"):
        required = set(schema.get("required", ()))
        lines = [
            f"{pad}{escape(name)}{'' if name in required else '?'}: "
            f"{_shape(document, part, depth + 1)}"
            for name, part in sorted(properties.items())
        ]
        return "{\n" + "\n".join(lines) + "\n" + "  " * depth + "}"
    if schema.get("type") == "array":
        return f"[{_shape(document, schema.get('items', {}), depth)}]"
    return escape(_leaf(schema))


def _leaf(schema: Document) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "any")
    name = " | ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{name} ({schema['format']})" if "format" in schema else name
