"""What can be read from a case's source without running it."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

DEFAULT_LEVEL = "MUST"


@cache
def syntax_of(function: Callable[..., Any]) -> ast.AsyncFunctionDef | ast.FunctionDef | None:
    """Return the syntax tree of *function*, or None when there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    first = tree.body[0]
    return first if isinstance(first, ast.AsyncFunctionDef | ast.FunctionDef) else None


@cache
def declared_checks(function: Callable[..., Any]) -> tuple[tuple[str, str, str], ...]:
    """Return id, title and level of each `check("id", "title")` in the body of *function*.

    Ids that are computed, and checks in functions it calls, are not seen.
    """
    tree = syntax_of(function)
    found = []
    for call in check_calls(tree) if tree is not None else []:
        check_id, title = literal(call.args[0]), literal(call.args[1])
        if isinstance(check_id, str):
            found.append((check_id, str(title or ""), _level(call)))
    return tuple(found)


def check_calls(tree: ast.AST) -> list[ast.Call]:
    """Return every `<something>.check(a, b, ...)` call below *tree*."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "check"
        and len(node.args) > 1
    ]


def literal(node: ast.AST) -> Any:
    """Return the value of a literal, or None."""
    return node.value if isinstance(node, ast.Constant) else None


def _level(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "level":
            named = keyword.value
            return named.id if isinstance(named, ast.Name) else str(literal(named))
    return DEFAULT_LEVEL
