"""What can be read from a case's source without running it."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

DEFAULT_LEVEL = "MUST"
Function = ast.AsyncFunctionDef | ast.FunctionDef


@cache
def syntax_of(function: Callable[..., Any]) -> Function | None:
    """Return the syntax tree of *function*, or None when there is no source."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    return _functions_of(code.co_filename).get(code.co_firstlineno)


@cache
def _functions_of(filename: str) -> dict[int, Function]:
    """Return the functions of a file by their first line, decorators included.

    One parse a file: `inspect.getsource` reads the file's tokens again for each function.
    """
    try:
        tree = ast.parse(Path(filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    return {
        min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]): node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }


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
