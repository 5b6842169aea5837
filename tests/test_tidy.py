"""The repository tests itself: sizes, names, purity, and nothing of one machine in it.

Each checker takes a path and its text, and returns what it found; it is run over every tracked
file, and over a small bad example that it has to catch.
"""

import ast
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON_LINE_COLUMNS = 110
FILE_LINES = 600
FUNCTION_LINES = 70
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "base"}
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ".java", ".txt", ".lock", ".json", ".cfg", ""}
SCREENS = (
    "src/ringmain/cli.py", "src/ringmain/cli/", "src/ringmain/core/terminal.py", "src/ringmain/world/",
)  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "eval", "exec"}
IMPURE_ATTRIBUTES = {"np.random", "numpy.random", "np.datetime64", "numpy.datetime64", "np.load", "np.save"}

# Spelled in pieces, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w./$}>-])/(?:tm" + "p|wor" + "k|hom" + "e|roo" + "t|User" + r"s)/\w")
REGISTRY_HOST = re.compile(
    "pypi" + r"\.org|pythonhosted" + r"\.org|npmjs" + r"\.(?:org|com)|deb\.debian" + r"\.org"
)
PENDING = re.compile("TO" + "DO|FIX" + "ME|XX" + "X")

Finding = str
Checker = Callable[[str, str], Iterator[Finding]]


def long_lines(path: str, text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        if path.endswith((".py", ".java")) and len(line) > PYTHON_LINE_COLUMNS:
            yield f"{path}:{number} has {len(line)} columns, of {PYTHON_LINE_COLUMNS}"


def large_files(path: str, text: str) -> Iterator[Finding]:
    line_count = len(text.splitlines())
    if path.endswith((".py", ".java")) and line_count >= FILE_LINES:
        yield f"{path} has {line_count} lines; a room is under {FILE_LINES}"


def long_functions(path: str, text: str) -> Iterator[Finding]:
    for node in _nodes(path, text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length >= FUNCTION_LINES:
                yield f"{path}:{node.lineno} {node.name} has {length} lines, under {FUNCTION_LINES}"


def missing_docstrings(path: str, text: str) -> Iterator[Finding]:
    """Everything public in src, but for packages that hold nothing."""
    if not path.startswith("src/"):
        return
    for owner, node in _public(path, text):
        if ast.get_docstring(node) is None:
            yield f"{path} {owner} has no docstring"


def banned_names(path: str, text: str) -> Iterator[Finding]:
    for part in Path(path).with_suffix("").parts:
        if part.lower() in BANNED_NAMES:
            yield f"{path}: name it after what it holds, not {part}"


def stray_prints(path: str, text: str) -> Iterator[Finding]:
    if not path.startswith("src/") or path.startswith(SCREENS):
        return
    for node in _nodes(path, text):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield f"{path}:{node.lineno} prints; only the command and the world's screen do"


def impure_engines(path: str, text: str) -> Iterator[Finding]:
    """What an import contract cannot see: built-ins and numpy's own clock, dice and files."""
    if not re.fullmatch(r"src/ringmain/\w+/(engine|state|kernels|kernels/\w+)\.py", path):
        return
    for node in _nodes(path, text):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in IMPURE_ATTRIBUTES:
            yield f"{path}:{node.lineno} {ast.unparse(node)}: state and commands decide, nothing else"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in IMPURE_CALLS:
            yield f"{path}:{node.lineno} {ast.unparse(node.func)}(): an engine does no input or output"


def machine_paths(path: str, text: str) -> Iterator[Finding]:
    yield from _matches(path, text, MACHINE_PATH, "is a path of one machine")


def registry_hosts(path: str, text: str) -> Iterator[Finding]:
    yield from _matches(path, text, REGISTRY_HOST, "names a registry; the environment chooses it")


def pending_work(path: str, text: str) -> Iterator[Finding]:
    yield from _matches(path, text, PENDING, "is unfinished: do it, or file an issue")


CHECKERS: dict[Checker, tuple[str, str]] = {  # with a bad example of each
    long_lines: ("src/ringmain/a.py", "x = '" + "a" * 120 + "'\n"),
    large_files: ("bench/a.py", "x = 1\n" * FILE_LINES),
    long_functions: ("tests/a.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
    missing_docstrings: ("src/ringmain/a.py", '"""A."""\nclass A:\n    """A."""\n    def go(self): ...\n'),
    banned_names: ("src/ringmain/utils/a.py", ""),
    stray_prints: ("src/ringmain/core/a.py", "def f():\n    print('x')\n"),
    impure_engines: ("src/ringmain/vpp/kernels/a.py", "x = np.random.random()\n"),
    machine_paths: ("README.md", "Look into /" + "tmp/day for it."),
    registry_hosts: ("requirements.lock", "--index-url https://pypi" + ".org/simple"),
    pending_work: ("src/ringmain/a.py", "# TO" + "DO: later"),
}


def _nodes(path: str, text: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(text)) if path.endswith(".py") else iter(())


def _public(path: str, text: str) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef]]:
    """Yield the module, its public functions and classes, and their public methods."""
    if not path.endswith(".py") or not text.strip():
        return
    module = ast.parse(text)
    yield "the module", module
    scopes: list[tuple[str, ast.AST]] = [("", module)]
    for prefix, scope in scopes:
        for node in ast.iter_child_nodes(scope):
            if isinstance(node, ast.If) and scope is module:
                scopes.append((prefix, node))
            elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                if node.name.startswith("_"):
                    continue
                yield prefix + node.name, node  # type: ignore[misc]
                if isinstance(node, ast.ClassDef):
                    scopes.append((f"{prefix}{node.name}.", node))


def _matches(path: str, text: str, pattern: re.Pattern[str], complaint: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            yield f"{path}:{number} {match.group()!r} {complaint}"


def tracked_files() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    names = [name for name in tracked_files() if Path(name).suffix in TEXT_SUFFIXES]
    return {name: (ROOT / name).read_text("utf-8") for name in names}


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_every_tracked_file_passes(checker: Checker, sources: dict[str, str]) -> None:
    findings = [finding for path, text in sources.items() for finding in checker(path, text)]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_the_checker_catches_its_bad_example(checker: Checker) -> None:
    path, text = CHECKERS[checker]
    assert list(checker(path, text))


def test_documents_may_end_in_a_path_of_their_own() -> None:
    assert not list(machine_paths("docs/a.md", "see docs/howto/inspect.md and src/ringmain/world/run.py"))


def test_every_market_has_a_readme_of_one_page() -> None:
    engines = [Path(name) for name in tracked_files() if re.fullmatch(r"src/ringmain/\w+/engine\.py", name)]
    for engine in engines:
        if engine.parent.name != "core":
            page = ROOT / engine.parent / "README.md"
            assert page.is_file(), f"{engine.parent} has no README.md"
            assert len(page.read_text("utf-8").splitlines()) <= 120, f"{page}: one page"


def test_every_package_says_that_it_is_one() -> None:
    """Without its __init__.py a folder is invisible to the import contracts."""
    for folder in {Path(name).parent for name in tracked_files() if re.match(r"src/.*\.py$", name)}:
        assert (ROOT / folder / "__init__.py").is_file(), f"{folder} has no __init__.py"


def test_the_lock_covers_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    missing = {re.split(r"[<>=!~\[; ]", each)[0].lower() for each in wanted} - set(locked)
    assert not missing, f"{sorted(missing)}: run make lock"


def test_the_readme_shows_both_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "make run" in readme
    assert "make test" in readme


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
