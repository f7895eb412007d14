"""The stub of the compiled module says what was built: the same names, with the same signatures."""

import ast
import inspect
from pathlib import Path

import pytest

from sealtone.media import _engine

STUB = ast.parse((Path(_engine.__file__).parent / "_engine.pyi").read_text())
STUB_CLASSES = {node.name: node for node in STUB.body if isinstance(node, ast.ClassDef)}
STUB_FUNCTIONS = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}
BUILT_CLASSES = {name: value for name, value in vars(_engine).items() if inspect.isclass(value)}
BUILT_FUNCTIONS = {name: value for name, value in vars(_engine).items() if inspect.isbuiltin(value)}


def _members(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}


def _is_property(function: ast.FunctionDef) -> bool:
    return any(isinstance(item, ast.Name) and item.id == "property" for item in function.decorator_list)


def _parameters(function: ast.FunctionDef) -> list[tuple[str, bool]]:
    arguments = function.args
    plain = [(argument.arg, False) for argument in arguments.args if argument.arg not in {"self", "cls"}]
    return plain + [(argument.arg, True) for argument in arguments.kwonlyargs]


def _built_parameters(signature: inspect.Signature) -> list[tuple[str, bool]]:
    return [
        (name, parameter.kind is inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
        if name not in {"self", "cls"}
    ]


def test_the_stub_names_every_class_and_function_of_the_module_and_no_other() -> None:
    assert set(STUB_CLASSES) == set(BUILT_CLASSES)
    assert set(STUB_FUNCTIONS) == set(BUILT_FUNCTIONS)
    others = {name for name in vars(_engine) if not name.startswith("_")} - set(BUILT_CLASSES) - set(BUILT_FUNCTIONS)
    assert not others


@pytest.mark.parametrize("name", sorted(STUB_FUNCTIONS))
def test_the_stub_gives_each_function_its_parameters(name: str) -> None:
    assert _parameters(STUB_FUNCTIONS[name]) == _built_parameters(inspect.signature(BUILT_FUNCTIONS[name]))


@pytest.mark.parametrize("name", sorted(STUB_CLASSES))
def test_the_stub_gives_each_class_its_bases_and_members(name: str) -> None:
    built = BUILT_CLASSES[name]
    bases = [base.id for base in STUB_CLASSES[name].bases if isinstance(base, ast.Name)] or ["object"]
    assert [base.__name__ for base in built.__bases__] == bases
    members = set(_members(STUB_CLASSES[name])) - {"__new__"}
    public = {member for member in vars(built) if not member.startswith("_")}
    assert members == public


@pytest.mark.parametrize("name", sorted(STUB_CLASSES))
def test_the_stub_gives_each_member_its_parameters(name: str) -> None:
    built = BUILT_CLASSES[name]
    for member, function in _members(STUB_CLASSES[name]).items():
        if member == "__new__":
            assert _parameters(function) == _built_parameters(inspect.signature(built)), name
        elif _is_property(function):
            assert inspect.isdatadescriptor(vars(built)[member]), f"{name}.{member} is no property"
        else:
            assert _parameters(function) == _built_parameters(inspect.signature(vars(built)[member])), member
