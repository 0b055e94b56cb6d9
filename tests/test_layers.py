"""Imports point one way. The rules are docs/decisions/0001."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What each folder may import of our own code; the longest matching prefix decides.
ALLOWED: dict[str, tuple[str, ...]] = {
    "community_flow/domain": ("community_flow.domain",),
    "community_flow/ports": ("community_flow.domain", "community_flow.ports"),
    "community_flow/services": (
        "community_flow.domain", "community_flow.ports", "community_flow.services", "sensors.wire", "sensors.canonical",
    ),
    "community_flow/adapters": ("community_flow.domain", "community_flow.ports", "community_flow.adapters"),
    "community_flow/entrypoints": (
        "community_flow.domain", "community_flow.ports", "community_flow.services", "community_flow.entrypoints",
        "community_flow.settings", "sensors.wire", "web",
    ),
    "community_flow/app.py": ("community_flow", "sensors", "web"),
    "community_flow/wiring": ("community_flow", "sensors", "web"),
    "community_flow/__main__.py": ("community_flow.commands",),
    "community_flow/commands": ("community_flow", "sensors", "web"),
    "community_flow/demo": ("community_flow", "sensors", "web"),
    "community_flow/settings.py": (),
    "sensors": ("sensors",),
    "web": (),
    "wsgi.py": ("community_flow.app", "community_flow.settings"),
}  # fmt: skip

# Libraries that only some folders may know.
KEPT_APART = {
    "sqlalchemy": ("community_flow/adapters/sql",),
    "alembic": ("community_flow/adapters/sql",),
    "sklearn": ("community_flow/adapters/forest.py",),
    "redis": ("community_flow/adapters",),
    "flask": ("community_flow/entrypoints", "community_flow/app.py", "community_flow/wiring"),
    "paho": ("community_flow/adapters", "sensors"),
}

# Libraries so slow to import that nobody may do it before they are needed.
LAZY = {"sklearn", "scipy", "numba", "cv2", "onnxruntime", "pyarrow", "reportlab", "openpyxl", "zxingcpp", "pypinyin"}

STDLIB_ONLY = ("sensors/wire.py", "sensors/wire_rules.py", "sensors/canonical.py")


def sources() -> list[Path]:
    folders = ("community_flow", "sensors", "web")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "vendor" not in path.parts]
    return sorted([*found, ROOT / "wsgi.py"])


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, at the top of the file) of every import; `from x import y` names x."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        top = id(node) not in inside and id(node) not in typing_only
        if isinstance(node, ast.Import):
            yield from ((name.name, top) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "."), top


def rule(path: Path) -> tuple[str, ...]:
    name = path.relative_to(ROOT).as_posix()
    prefixes = [prefix for prefix in ALLOWED if name == prefix or name.startswith(prefix.rstrip("/") + "/")]
    if not prefixes:
        return ("community_flow",) if name == "community_flow/__init__.py" else ()
    return ALLOWED[max(prefixes, key=len)]


def ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in {"community_flow", "sensors", "web", "tests"}


def below(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith((prefix + ".", prefix + "_"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_inwards(path: Path) -> None:
    allowed = rule(path)
    forbidden = [m for m, _ in imports(path) if ours(m) and not any(below(m, prefix) for prefix in allowed)]
    assert not forbidden, f"{path.name} may import {allowed or 'nothing of ours'}, not {forbidden}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_libraries_stay_where_they_belong(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    for module, _top in imports(path):
        library = module.split(".")[0]
        homes = KEPT_APART.get(library)
        assert homes is None or name.startswith(homes), f"{name} may not know {library}; only {homes} may"


def heavy_modules() -> dict[str, str]:
    """Modules of ours that load a slow library as soon as they are imported, and through which one."""
    tops = {module_name(path): [m for m, top in imports(path) if top] for path in sources()}
    heavy = {name: lib for name, found in tops.items() for lib in found if lib.split(".")[0] in LAZY}
    while more := {
        name: f"{imported} -> {heavy[imported]}"
        for name, found in tops.items() if name not in heavy
        for imported in found if imported in heavy
    }:  # fmt: skip
        heavy |= more
    return heavy


def module_name(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")


def test_the_server_starts_without_slow_libraries() -> None:
    """Modules may be heavy when they are imported where they are used; what a server imports at once may not."""
    heavy = heavy_modules()
    at_once = {"wsgi", "community_flow.app", "community_flow.commands", "community_flow.commands.server", "sensors"}
    assert not {name: heavy[name] for name in at_once & set(heavy)}


@pytest.mark.parametrize("name", STDLIB_ONLY)
def test_the_wire_needs_nothing_but_python(name: str) -> None:
    import sys

    outside = {
        module for module, _ in imports(ROOT / name)
        if module.split(".")[0] not in sys.stdlib_module_names and not module.startswith("sensors")
    }  # fmt: skip
    assert not outside
