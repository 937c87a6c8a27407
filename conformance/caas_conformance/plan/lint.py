"""Rules every case keeps, checked before a run sends its first byte.

Each rule is about a way in which a suite turns green without having looked.
"""

import ast
import inspect
import sys
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from typing import Any, NamedTuple, get_type_hints

from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import CaseDefinition, Phase
from caas_conformance.authoring.source import check_calls, literal, syntax_of
from caas_conformance.authoring.statuses import allowed_statuses
from caas_conformance.errors import AuthoringError
from caas_conformance.plan.requirements import Registry
from caas_conformance.wire.answer import Answer

CASE_TIMEOUT_MAX_S = 300.0
CALL_DEPTH_MAX = 8
_REQUESTS = frozenset(
    {"get", "post", "put", "patch", "delete", "head", "options", "request", "raw"}
)
_REASONS = frozenset({"code", "because", None})  # None: members given by `**`, judged when run
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp)


class Problem(NamedTuple):
    """One broken rule."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def lint(
    phases: Iterable[Phase],
    registry: Registry,
    *,
    context: type[CaseContext] = CaseContext,
    baseline: Container[int] = (),
) -> list[Problem]:
    """Return every broken rule of a suite, in the order of its cases.

    Args:
        phases: All of the suite's.
        registry: Its requirements.
        context: What its cases are given.
        baseline: The numbers of the seed cases that there are.
    """
    groups = list(phases)
    cases = [case for phase in groups for case in phase.cases]
    problems = [Problem(phase.id, "the phase has no case") for phase in groups if not phase.cases]
    for what in ("id", "title"):
        counted = Counter(getattr(case, what) for case in cases)
        problems += [
            Problem(str(value), f"this {what} is used {times} times")
            for value, times in counted.items()
            if times > 1
        ]
    known = {case.id for case in cases}
    problems += [
        Problem(requirement.id, f"{fault} is said to turn {case_id} red, and there is no such case")
        for requirement in registry.requirements.values()
        for fault, red in requirement.proofs.items()
        for case_id in red
        if case_id not in known
    ]
    for case in cases:
        problems += [Problem(case.id, message) for message in _of_case(case, registry)]
        problems += [Problem(case.id, message) for message in _of_seeds(case, baseline)]
        problems += [Problem(case.id, message) for message in _of_context(case, context)]
    return problems


def _of_case(case: CaseDefinition, registry: Registry) -> Iterator[str]:
    yield from _of_description(case, registry)
    if not inspect.iscoroutinefunction(case.body):
        yield "the body is no coroutine function"
        return
    tree = syntax_of(case.body)
    if tree is None:
        yield "its source can't be read"
        return
    yield from _of_body(tree, registry)
    yield from _unseen_answers(tree, vars(sys.modules[case.body.__module__]))
    if not _checks_reachable(case.body, set(), 0):
        yield "has no check"


def _of_description(case: CaseDefinition, registry: Registry) -> Iterator[str]:
    if not case.requirements:
        yield "names no requirement"
    for requirement in case.requirements:
        if requirement not in registry:
            yield f"requirement {requirement} is not in the registry"
        elif registry.requirements[requirement].planned:
            yield f"requirement {requirement} is marked as planned, yet has a case"
    if not 0 < case.timeout_s <= CASE_TIMEOUT_MAX_S:
        yield f"timeout_s is above 0 and at most {CASE_TIMEOUT_MAX_S:g}"


def _of_seeds(case: CaseDefinition, baseline: Container[int]) -> Iterator[str]:
    for number in case.baseline:
        if number not in baseline:
            yield f"there is no seed case {number}"
    if len(set(case.baseline)) != len(case.baseline):
        yield "names a seed case twice"


def _of_context(case: CaseDefinition, context: type[CaseContext]) -> Iterator[str]:
    """Find a case that was written for another suite's context than it will be given."""
    try:
        hints = get_type_hints(case.body)
    except (NameError, TypeError, AttributeError):
        return
    wanted = [hint for name, hint in hints.items() if name != "return"]
    if wanted and isinstance(wanted[0], type) and not issubclass(context, wanted[0]):
        yield f"takes a {wanted[0].__name__}, and its suite gives a {context.__name__}"


def _of_body(tree: ast.AST, registry: Registry) -> Iterator[str]:
    ids = Counter(
        literal(call.args[0]) for call in check_calls(tree) if literal(call.args[0]) is not None
    )
    yield from (f"check {check_id!r} is opened {n} times" for check_id, n in ids.items() if n > 1)
    opened = _opened(tree)
    for call in check_calls(tree):
        name = literal(call.args[0]) or "(computed)"
        if id(call) not in opened:
            yield f"check {name!r} is not opened by `with`, so it judges nothing"
        for keyword in call.keywords:
            if keyword.arg == "requirements":
                yield from _unknown_requirements(keyword.value, registry)
    for node in ast.walk(tree):
        yield from _of_node(node)


def _unseen_answers(tree: ast.AST, names: dict[str, Any]) -> Iterator[str]:
    """Find requests whose answers nobody keeps: a set-up that was refused proves nothing."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Await)):
            continue
        awaited = node.value.value
        gathered = isinstance(awaited, ast.Call) and _name(awaited.func) == "gather"
        for call in ast.walk(awaited) if gathered else [awaited]:
            if isinstance(call, ast.Call) and _answers(call.func, names):
                yield f"line {call.lineno}: nobody looks at the answer; see t.given"


def _answers(called: ast.AST, names: dict[str, Any]) -> bool:
    """Tell whether a call sends a request and returns what came."""
    function = _resolved(called, names)
    if inspect.isfunction(function):
        return bool(get_type_hints(function).get("return") is Answer)
    return isinstance(called, ast.Attribute) and called.attr in _REQUESTS


def _of_node(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Assert):
        yield f"line {node.lineno}: uses assert; a check records what it saw"
    elif isinstance(node, ast.ExceptHandler):
        if node.type is None or _name(node.type) in ("Exception", "BaseException"):
            yield f"line {node.lineno}: catches every exception, also a failed check's"
    elif isinstance(node, _LOOPS):
        for call in check_calls(node):
            if literal(call.args[0]) is not None:
                yield f"check {literal(call.args[0])!r} has one id for every turn of a loop"
    elif isinstance(node, ast.With):
        yield from _hollow(node)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    if not isinstance(node.func, ast.Attribute):
        return
    if node.func.attr == "sleep":
        yield f"line {node.lineno}: sleeps; wait for what should happen with t.until"
    if node.func.attr == "problem" and not {k.arg for k in node.keywords} & _REASONS:
        yield f"line {node.lineno}: a refusal has its own reason: give its code=, or say because="
    if node.func.attr != "status" or len(node.args) < 2:  # noqa: PLR2004 - answer, expected
        return
    try:
        expected = ast.literal_eval(node.args[1])
    except ValueError:
        if isinstance(node.args[1], ast.Call) and _name(node.args[1].func) == "range":
            yield f"line {node.lineno}: a range of statuses is any status"
        return
    reasons = [k for k in node.keywords if k.arg == "because"]
    because = "computed" if reasons else ""
    if reasons and isinstance(reasons[0].value, ast.Constant):
        because = str(reasons[0].value.value)
    try:
        allowed_statuses(expected, because)
    except (AuthoringError, TypeError) as error:
        yield f"line {node.lineno}: {error}"


def _hollow(node: ast.With) -> Iterator[str]:
    for item in node.items:
        calls = check_calls(item.context_expr)
        if not calls:
            continue
        if not isinstance(item.optional_vars, ast.Name):
            yield f"line {node.lineno}: a check without `as check` asserts nothing"
            continue
        alias = item.optional_vars.id
        used = any(
            isinstance(inner, ast.Name) and inner.id == alias
            for statement in node.body
            for inner in ast.walk(statement)
        )
        if not used:
            yield f"check {literal(calls[0].args[0])!r} asserts nothing"


def _opened(tree: ast.AST) -> set[int]:
    """Return the identity of each check call that a `with` statement or a return hands on."""
    return {
        id(call)
        for node in ast.walk(tree)
        if isinstance(node, ast.With | ast.AsyncWith)
        for item in node.items
        for call in check_calls(item.context_expr)
    }


def _unknown_requirements(node: ast.AST, registry: Registry) -> Iterator[str]:
    for inner in ast.walk(node):
        value = literal(inner)
        if isinstance(value, str) and value not in registry:
            yield f"requirement {value} is not in the registry"


def _checks_reachable(function: Any, seen: set[Any], depth: int) -> bool:
    """Tell whether *function*, or a function of this package that it calls, opens a check."""
    tree = syntax_of(function)
    if tree is None or function in seen or depth > CALL_DEPTH_MAX:
        return False
    seen.add(function)
    if check_calls(tree):
        return True
    names = vars(sys.modules[function.__module__])
    called = [_resolved(node.func, names) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return any(
        _checks_reachable(other, seen, depth + 1) for other in called if inspect.isfunction(other)
    )


def _resolved(called: ast.AST, names: dict[str, Any]) -> Any:
    """Return what `name` or `module.name` stands for in a module, or None."""
    if isinstance(called, ast.Name):
        return names.get(called.id)
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        module = names.get(called.value.id)
        return getattr(module, called.attr, None) if inspect.ismodule(module) else None
    return None


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
