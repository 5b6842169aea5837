"""The documents do what they say: snippets run, commands parse, pages are current, links lead somewhere."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringmain import cli
from ringmain.core import reference

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:\.venv/bin/)?ringmain (?!docs reference)(.*)")
LINK = re.compile(r"\]\(([^)#:]+\.\w+)(?:#[\w-]*)?\)")


def snippets(text: str, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of every ringmain command in bash snippets."""
    for body in snippets(text, "bash"):
        for line in body.splitlines():
            match = COMMAND.fullmatch(line.split(" #")[0].strip())
            if match:
                yield shlex.split(match.group(1))


def broken_links(page: Path, text: str) -> list[str]:
    return [link for link in LINK.findall(text) if not (page.parent / link).exists()]


def repeated_meanings(uses: list[reference.ErrorUse]) -> set[str]:
    """Return codes that two parts of the house (core, gateway and so on) use, each in its own sense."""
    parts: dict[str, set[str]] = {}
    for use in uses:
        parts.setdefault(use.code, set()).add(use.module.split("/")[0])
    return {code for code, users in parts.items() if len(users) > 1}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_snippets_run_in_the_order_of_the_page(page: Path, tmp_path: Path) -> None:
    code = "\n".join(snippets(page.read_text("utf-8"), "python"))
    if not code:
        return
    script = tmp_path / "snippets.py"
    script.write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_on_the_page_are_commands(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in commands(page.read_text("utf-8")):
        try:
            cli.parser().parse_args(arguments)
        except SystemExit as end:
            assert end.code == 0, f"ringmain {shlex.join(arguments)}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text("utf-8")) == []


def test_the_checks_find_what_is_wrong() -> None:
    text = "```bash\nringmain juornal verify  # a slip\n```\n[there](nowhere.md)\n"
    (arguments,) = commands(text)
    with pytest.raises(SystemExit):
        cli.parser().parse_args(arguments)
    assert broken_links(ROOT / "README.md", text) == ["nowhere.md"]
    twice = [reference.ErrorUse("RM1", "core/ring", "", ""), reference.ErrorUse("RM1", "cli", "", "")]
    assert repeated_meanings(twice) == {"RM1"}


def test_the_tutorial_is_the_example() -> None:
    example = (ROOT / "examples" / "auction.py").read_text("utf-8")
    tutorial = (ROOT / "docs" / "tutorial" / "first_market.md").read_text("utf-8")
    bodies = snippets(tutorial, "python")
    assert len(bodies) >= 8
    for body in bodies:
        assert body in example, f"not in examples/auction.py:\n{body}"


def test_the_example_says_what_the_tutorial_shows() -> None:
    example = ROOT / "examples" / "auction.py"
    done = subprocess.run([sys.executable, example], capture_output=True, text=True, timeout=200, check=True)
    tutorial = (ROOT / "docs" / "tutorial" / "first_market.md").read_text("utf-8")
    assert done.stdout in snippets(tutorial, "text")


def test_the_reference_is_current() -> None:
    made = reference.pages(cli.documented(), cli.parser()) | cli.message_schemas()
    for name, text in made.items():
        page = ROOT / "docs" / "reference" / name
        assert page.is_file(), f'{name} is missing: run "ringmain docs reference"'
        assert page.read_text("utf-8") == text, f'{name} is out of date: run "ringmain docs reference"'


def test_every_error_code_is_listed_once_and_means_one_thing() -> None:
    uses = reference.error_uses()
    spelled = {
        code
        for file in reference.PACKAGE.rglob("*.py")
        for code in re.findall(r'"(RM\d{3})"', file.read_text("utf-8"))
    }
    assert {use.code for use in uses} >= spelled
    page = reference.errors_page()
    for code in {use.code for use in uses}:
        assert page.count(f"**{code}**") == 1
    assert repeated_meanings(uses) == set()


def test_decisions_that_are_named_exist() -> None:
    named = {
        number
        for folder in ("src", "docs", "bench", "tests")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".md")
        for number in re.findall(r"decisions/(\d{4})", file.read_text("utf-8"))
    }
    missing = {number for number in named if not (ROOT / "docs" / "decisions" / f"{number}.md").is_file()}
    assert not missing
