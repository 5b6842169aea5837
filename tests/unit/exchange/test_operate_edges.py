"""What is printed as it is, what a query may not do, and values that no command takes."""

import argparse
import csv
import datetime
import io
import json

import pytest

from ringmain import cli
from ringmain.core.terminal import show


def run(*arguments):
    return cli.main([*map(str, arguments)])


@pytest.mark.parametrize("text", ["[/x]", "[red]a[/red]", ":smile:", "[link=x]y"])
def test_what_looks_like_markup_is_printed_as_it_is(capsys, text):
    options = argparse.Namespace(json=False, csv=False)
    show(options, text, [text], [{text: text}])
    assert capsys.readouterr().out.count(text) == 3


@pytest.mark.parametrize("name", ["products", "phases"])
def test_a_finished_day_has_no_products_and_says_so(capsys, tmp_path, name):
    from venue_rig import Venue

    venue = Venue(tmp_path, accounts=0, product=False)
    for form, expected in (((), f"{name}: none\n"), (("--csv",), ""), (("--json",), "[]\n")):
        assert run("exchange", name, "--data", tmp_path, *form) == 0
        assert capsys.readouterr().out == expected
    venue.close()


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    return file


@pytest.mark.parametrize(
    "sql",
    [
        "COPY trades TO '{folder}/out.csv'", "COPY trades TO '{history}/out.csv'",
        "EXPLAIN ANALYZE COPY trades TO '{history}/out.csv'", "SELECT 1; COPY trades TO '{history}/out.csv'",
        "WITH a AS (COPY (SELECT 1) TO '{history}/out.csv') SELECT 1",
        "WITH é AS (\u00a0cOpY (SELECT 1) TO '{history}/out.csv') SELECT 1",
        "ATTACH '{folder}/out.db' AS other", "INSTALL httpfs", "LOAD httpfs", "SET memory_limit = '1GB'",
        "SELECT * FROM read_csv('{folder}/secret.csv')", "SELECT * FROM read_text('{folder}/secret.csv')",
        "SELECT * FROM glob('/etc/*')", "SELECT * FROM read_csv('/etc/passwd')", "DROP VIEW trades",
        "EXPORT DATABASE '{folder}/out'",
    ],
)  # fmt: skip
def test_a_query_only_reads_the_history(capsys, lived, tmp_path, secret, sql):
    history = lived[1] / "history"
    before = sorted(history.rglob("*"))
    sql = sql.format(folder=tmp_path, history=history)
    assert run("exchange", "history", "query", sql, "--data", lived[1]) == 1
    assert capsys.readouterr().err.startswith("RM658")
    assert sorted(history.rglob("*")) == before and list(tmp_path.iterdir()) == [secret]


@pytest.mark.parametrize("sql", ["FROM trades", "DESCRIBE trades", "SUMMARIZE trades", "SHOW TABLES",
                                 "PIVOT trades ON aggressor USING count(*) GROUP BY product_id"])  # fmt: skip
def test_a_query_reads_as_it_likes(capsys, lived, sql):
    assert run("exchange", "history", "query", sql, "--data", lived[1], "--json") == 0
    assert json.loads(capsys.readouterr().out)


def test_no_hidden_table_is_proposed_or_listed(capsys, tmp_path):
    from venue_rig import Venue

    venue = Venue(tmp_path, accounts=0, product=False)
    assert run("exchange", "history", "query", "SELECT * FROM no_trade", "--data", tmp_path) == 1
    assert "no_trades" not in capsys.readouterr().err
    assert run("exchange", "history", "tables", "--data", tmp_path, "--csv") == 0
    names = [row["table"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert "trades" in names and not [name for name in names if name.startswith("no_")]
    venue.close()


@pytest.mark.parametrize("arguments", [("statement", "--account", "1"), ("nominations",)])
def test_a_parquet_file_that_cannot_be_written_is_named(capsys, lived, tmp_path, arguments):
    for target in (tmp_path, "/proc/x.parquet"):
        made = ("--day", "2026-03-02", "--data", lived[1], "--parquet", target)
        assert run("exchange", *arguments, *made) == 1
        assert capsys.readouterr().err.startswith(f"RM659 exchange: {target} cannot be written")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("history", "stats", "--from", "9999-01-01"), "RM647", "9999-01-01 is out of range"),
        (("history", "stats", "--to", "1969-12-31"), "RM647", "1969-12-31 is out of range"),
        (("statement", "--account", "1", "--day", "9999-01-01"), "RM647", "out of range"),
        (("history", "candles", "--product", "3", "--period", "36501d"), "RM648", "longer than 36500 days"),
        (("surveil", "--layering-size-ratio", "nan"), "RM653", "nan is no threshold"),
        (("surveil", "--layering-size-ratio", "inf"), "RM653", "inf is no threshold"),
        (("surveil", "--wash-gap-s", str(10**10)), "RM653", "is no threshold"),
    ],
)
def test_what_is_out_of_range_is_refused(capsys, lived, arguments, code, said):
    assert run("exchange", *arguments, "--data", lived[1]) == 1
    told = capsys.readouterr().err
    assert told.startswith(code) and said in told


def test_the_longest_period_and_span_are_taken(capsys, lived):
    data = ("--data", lived[1], "--json")
    assert run("exchange", "history", "candles", "--product", 3, "--period", "36500d", *data) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert run("exchange", "history", "stats", "--from", "1970-01-01", "--to", "2262-04-11", *data) == 0
    assert json.loads(capsys.readouterr().out)


def test_a_bad_day_is_told_how_a_day_is_written(capsys, lived):
    assert run("exchange", "nominations", "--day", "2026-03-02T12:00", "--data", lived[1]) == 1
    example = capsys.readouterr().err.rsplit(" ", 1)[1].strip().removesuffix(".")
    assert datetime.date.fromisoformat(example)


# Doors and certificates.


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_refused_at_once(capsys, tmp_path, port):
    assert run("fix", f"--port={port}", "--data", tmp_path) == 1
    assert capsys.readouterr().err.startswith("RM402")
    assert run("gateway", f"--port=exchange={port}", "--data", tmp_path) == 1
    assert capsys.readouterr().err.startswith("RM402")
    assert list(tmp_path.iterdir()) == []


def test_doors_over_no_folder_are_refused_and_make_none(capsys, tmp_path):
    missing, token = tmp_path / "none", tmp_path / "token"
    token.write_text("x")
    auctioneer = ("exchange", "dayahead", "run", "--port", 1, "--token", token)
    for command in (("fix",), ("gateway",), auctioneer):
        assert run(*command, "--data", missing) == 1
        assert capsys.readouterr().err.startswith("RM403")
    assert not missing.exists()


def test_a_door_says_that_it_waits(caplog, monkeypatch, tmp_path):
    monkeypatch.setattr("ringmain.gateway.app.run", lambda *_: None)
    with caplog.at_level("INFO"):
        assert run("gateway", "--data", tmp_path) == 0
    assert f"waiting for a node in {tmp_path / 'exchange'}" in caplog.messages


@pytest.mark.parametrize("option", ["--seconds", "--gap"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_a_search_without_end_is_refused(capsys, tmp_path, option, value):
    file = tmp_path / "book.json"
    file.write_text("[]")
    auctioneer = ("run", "--port", 1, "--token", file, "--data", tmp_path)
    for action in (("solve", file), auctioneer):
        assert run("exchange", "dayahead", *action, f"{option}={value}") == 1
        assert capsys.readouterr().err.startswith("RM629")


@pytest.mark.parametrize("name", ["bad host!", "", "-a", "a..b", "300.1.1.1", "ä.example", "a" * 64, "a_b\n"])
def test_a_certificate_for_no_host_is_refused(capsys, tmp_path, name):
    assert run("certificate", f"--name={name}", "--data", tmp_path / "data") == 1
    assert capsys.readouterr().err.startswith("RM364")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "name", ["localhost", "venue.example", "*.venue.example", "::1", "10.0.0.1", "a-1.b2"]
)
def test_a_certificate_for_a_host_is_made(tmp_path, name):
    assert run("certificate", f"--name={name}", "--data", tmp_path) == 0


def test_a_certificate_that_cannot_be_written_is_told(capsys):
    assert run("certificate", "--data", "/dev/null") == 1
    assert capsys.readouterr().err.startswith("RM363 certificate: /dev/null cannot be written")
