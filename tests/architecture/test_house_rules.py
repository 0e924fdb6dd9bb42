"""Project rules that a program can check: which module imports which, which reads the environment, how large a file may
be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.hygiene import LOCK_RULE, RULES, findings

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("app", "simulator") for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION_LINES = 60
LINT_IMPORTS = [Path(sys.executable).with_name("lint-imports")]


def test_imports_point_one_way() -> None:
    # in a separate process: lint-imports disables the existing loggers of the process in which it runs
    done = subprocess.run(LINT_IMPORTS, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_only_settings_reads_the_environment() -> None:
    readers = {str(module.relative_to(ROOT)) for module in MODULES if _reads_environment(module)}
    assert readers == {"app/settings.py"}


def _reads_environment(module: Path) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names and _is_os(node.value))
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
        for node in ast.walk(ast.parse(module.read_text()))
    )


def _is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_module_is_small_enough_to_read(module: Path) -> None:
    lines = len(module.read_text().splitlines())
    assert lines <= MAX_LINES, f"{lines} lines: split it by duty"
    assert list(_long_functions(module)) == []


def _long_functions(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            body = node.end_lineno - node.lineno + 1
            if body > MAX_FUNCTION_LINES:
                yield f"{node.name}: {body} lines"


def test_no_file_names_a_registry_or_a_machine() -> None:
    assert list(findings()) == []


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ("the address of a package registry", ("--index-url https://pypi", ".org/simple")),
        ("the address of a package registry", ("https://registry.npmjs", ".org/react")),
        ("the address of a package registry", ("https://repo.maven", ".apache.org/maven2")),
        ("a path of one machine", ("cd /", "home/joe/reveille")),
        ("a path of one machine", ("file:///", "work/x")),
    ],
)
def test_the_check_finds_its_patterns(what: str, parts: tuple[str, ...]) -> None:
    assert RULES[what].search("".join(parts))  # in parts, because otherwise this file would break the rule


def test_no_address_is_allowed_in_a_lock_file() -> None:
    assert LOCK_RULE[1].search('"resolved": "https://example.org/react.tgz"')
