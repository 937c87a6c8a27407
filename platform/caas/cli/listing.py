"""What `caas --help` says about each command, read from source instead of by importing it.

Importing every command's package to show one line of each took 0.6 s; this takes 0.02 s.
"""

import ast
from importlib import metadata, util
from pathlib import Path

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def summary_of(entry_point: metadata.EntryPoint) -> str | None:
    """Return the first line of the command's docstring, or None when only loading can tell."""
    try:
        spec = util.find_spec(entry_point.module)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError):
        return None
    for node in tree.body:
        if isinstance(node, FunctionNode) and node.name == entry_point.attr:
            docstring = ast.get_docstring(node)
            return " ".join(docstring.partition("\n\n")[0].split()) if docstring else None
    return None
