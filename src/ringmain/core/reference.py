"""The reference pages, made from what runs: records, the command's parser, and the errors in the sources."""

import argparse
import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringmain.core.records import HEADER_FIELDS, Record, Schema

PACKAGE = Path(__file__).parent.parent
ERROR_CODE = re.compile(r"RM\d{3}")
MADE = "<!-- Made by `ringmain docs reference`. Do not edit. -->\n"


def pages(schemas: Iterable[Schema], parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return every generated page as file name and Markdown.

    Parameters
    ----------
    schemas : iterable of Schema
        The markets' records.
    parser : argparse.ArgumentParser
        Of the ``ringmain`` command.
    """
    made = {f"records-{schema.name}.md": records_page(schema) for schema in schemas}
    return made | {"cli.md": cli_page(parser), "errors.md": errors_page()}


def write(folder: Path, schemas: Iterable[Schema], parser: argparse.ArgumentParser) -> list[Path]:
    """Write the generated pages into `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages(schemas, parser).items():
        (folder / name).write_text(text, "utf-8")
        written.append(folder / name)
    return written


# Records.


def records_page(schema: Schema) -> str:
    """Return the tables of every command, event and reason of a schema."""
    head = (
        f"# Records: {schema.name}\n\n{MADE}\n"
        f"Layout version {schema.version}, digest `{schema.digest()}`. Every record fills "
        f"{schema.record_bytes} bytes, little-endian, zeros between and behind the fields. "
        "All of them begin with the same header; the tables below leave it out.\n"
    )
    header: list[tuple[str, str, str, Mapping[str, int]]] = [
        (name, format, doc, {}) for name, format, doc in HEADER_FIELDS
    ]
    parts = [head, "## Header\n", _field_table(_any_record(schema), header)]
    for title, records in (("Commands", schema.commands), ("Events", schema.events)):
        parts.append(f"## {title}\n")
        parts += [_record_section(record) for _, record in sorted(records.items())]
    parts.append("## Reasons\n\nWhat the field `reason` of a rejection says. A code keeps its meaning.\n")
    rows = [(str(code), f"`{name}`") for code, name in sorted(schema.reasons.items())]
    parts.append(_table(("code", "reason"), rows))
    return "\n".join(parts)


def _any_record(schema: Schema) -> Record:
    return next(iter((schema.commands | schema.events).values()))


def _record_section(record: Record) -> str:
    title = f"### {record.name}, kind {record.kind}\n\n{record.doc}\n"
    if not record.fields:
        return title + "\nIt has no fields of its own.\n"
    fields = [(f.name, f.format, f.doc, f.choices or {}) for f in record.fields]
    return f"{title}\n{_field_table(record, fields)}"


def _field_table(record: Record, fields: Iterable[tuple[str, str, str, Mapping[str, int]]]) -> str:
    rows = []
    for name, format, doc, choices in fields:
        field_dtype, offset = record.dtype.fields[name][:2]  # type: ignore[index]
        is_reason = name == "reason"  # its codes have a table of their own
        values = ", ".join(f"{value} {choice}" for choice, value in choices.items() if not is_reason)
        rows.append((f"`{name}`", str(offset), str(field_dtype.itemsize), format, _joined(doc, values)))
    return _table(("field", "offset", "bytes", "format", "meaning"), rows)


def _joined(doc: str, values: str) -> str:
    return f"{doc}: {values}" if values else doc


# The command.


def cli_page(parser: argparse.ArgumentParser) -> str:
    """Return every subcommand with its arguments, as the parser has them."""
    return f"# The command\n\n{MADE}\n" + "\n".join(_command_sections(parser))


def _command_sections(parser: argparse.ArgumentParser, depth: int = 2) -> Iterator[str]:
    description = parser.description or ""
    yield f"{'#' * depth} `{parser.prog}`\n\n{description}\n"
    rows = [
        (f"`{_invocation(action)}`", _default(action), _expanded(action, parser))
        for action in parser._actions
        if not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    ]
    if rows:
        yield _table(("argument", "default", "meaning"), rows)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _command_sections(child, min(depth + 1, 4))


def _invocation(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _default(action: argparse.Action) -> str:
    unset = action.default in (None, False, argparse.SUPPRESS)
    return "" if unset or action.nargs == 0 else f"`{action.default}`"


def _expanded(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    values = {**vars(action), "prog": parser.prog}
    return (action.help or "") % values


# Errors.


@dataclass(frozen=True)
class ErrorUse:
    """One place in the sources that gives an error code: the words it says, as far as they stand there."""

    code: str
    module: str
    what: str
    next_step: str


def error_uses(package: Path = PACKAGE) -> list[ErrorUse]:
    """Return every call in the sources of `package` that gives an ``RM`` code, by code and place."""
    found = []
    for file in sorted(package.rglob("*.py")):
        module = file.relative_to(package).with_suffix("").as_posix()
        tree = ast.parse(file.read_text("utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        found += [use for call in calls for use in _uses(module, call)]
    return sorted(found, key=lambda use: use.code)


def errors_page(package: Path = PACKAGE) -> str:
    """Return the table of every error code: where it is raised, what it says, what to do."""
    uses = error_uses(package)
    rows = []
    for code in sorted({use.code for use in uses}):
        own = [use for use in uses if use.code == code]
        columns = ([u.what for u in own], [u.next_step for u in own], [f"`{u.module}`" for u in own])
        rows.append((f"**{code}**", *("<br>".join(dict.fromkeys(filter(None, texts))) for texts in columns)))
    head = (
        f"# Errors\n\n{MADE}\n"
        "An error is one line on stderr: its code, the part that speaks, what happened, and what to do next. "
        "Names in *italics* stand for what is filled in. A code keeps its meaning.\n\n"
    )
    return head + _table(("code", "what happened", "what to do", "raised in"), rows)


def _uses(module: str, call: ast.Call) -> Iterator[ErrorUse]:
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    for index, argument in enumerate(arguments):
        if isinstance(argument, ast.Constant) and ERROR_CODE.fullmatch(str(argument.value)):
            texts = [_wording(each) for each in arguments[index + 1 :]]
            # (code, where, what, next step), or a module's own shorter form (code, what, next step).
            what, next_step = (["", "", *texts])[-2:]
            yield ErrorUse(str(argument.value), module, what, next_step)


def _wording(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_wording(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return f"*{ast.unparse(node.value).replace('_', ' ').replace('*', '×')}*"
    return f"*{ast.unparse(node)}*" if isinstance(node, ast.Name | ast.Attribute) else ""


def _table(headings: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "".join("| " + " | ".join(_cell(each) for each in line) + " |\n" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
