"""Certificates, tokens and entitlements from the command line; and what they refuse, by name."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ringmain import cli
from ringmain.core.errors import RingmainError
from ringmain.gateway import credentials, entitlements, messages
from ringmain.gateway.entitlements import Entitlement, Entitlements, Rights
from ringmain.gateway.tls import Tls


def run(*arguments: str, data) -> int:
    return cli.main([*arguments, "--data", str(data)])


def test_a_certificate_is_made_once_and_its_key_is_the_owners_alone(tmp_path, capsys):
    assert run("certificate", "--name", "venue.example", "--name", "127.0.0.1", data=tmp_path) == 0
    certificate, key = (tmp_path / name for name in ("certificate.pem", "certificate.key"))
    assert capsys.readouterr().out.split() == [str(certificate), str(key)]
    assert key.stat().st_mode & 0o077 == 0
    Tls(certificate, key).context()
    assert run("certificate", data=tmp_path) == 1
    assert "RM351" in capsys.readouterr().err
    assert run("certificate", "--days", "0", data=tmp_path / "other") == 1
    assert "RM352" in capsys.readouterr().err


def test_a_token_ends_when_it_was_told_to(tmp_path, capsys):
    run("token", "exchange", "guest", "--account", "3", "--expires-in", "15m", data=tmp_path)
    token = capsys.readouterr().out.strip()
    (credential,) = credentials.Credentials(tmp_path).all()
    assert 0 < credential.expires_s - time.time() <= 900
    run("tokens", data=tmp_path)
    listed = capsys.readouterr().out
    assert "guest: good" in listed
    assert token not in listed
    assert credential.token_sha256 not in listed
    assert run("revoke", "exchange", "guest", data=tmp_path) == 0
    run("tokens", data=tmp_path)
    assert "guest: revoked" in capsys.readouterr().out
    assert credentials.Credentials(tmp_path).all()[0].ending == messages.TOKEN_REVOKED
    assert run("revoke", "exchange", "nobody", data=tmp_path) == 1
    assert "RM354" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "0s", "12", "h", "-1h", "1w", "1.5h"])
def test_a_time_to_live_that_is_none_is_refused(tmp_path, capsys, text):
    assert run("token", "exchange", "x", "--account", "3", f"--expires-in={text or ' '}", data=tmp_path) == 1
    assert "RM355" in capsys.readouterr().err
    assert credentials.Credentials(tmp_path).all() == []


def test_roles_are_chosen_by_option(tmp_path, capsys):
    run("token", "exchange", "a", "--account", "1", "--observer", data=tmp_path)
    run("token", "exchange", "b", "--account", "1", "--drop-copy", data=tmp_path)
    assert run("token", "exchange", "c", "--account", "0", "--drop-copy", data=tmp_path) == 1
    assert "RM312" in capsys.readouterr().err
    assert [c.role for c in credentials.Credentials(tmp_path).all()] == ["observer", "drop_copy"]


def test_rules_are_added_listed_and_forgotten(tmp_path, capsys):
    run("entitle", data=tmp_path)
    assert "every account may trade" in capsys.readouterr().out
    run("entitle", "exchange", "--account", "3", "--products", "1-24", "--see", "prices", data=tmp_path)
    run("entitle", "exchange", "--others", "--no-trade", "--see", "delayed", data=tmp_path)
    run("entitle", data=tmp_path)
    assert len(capsys.readouterr().out.splitlines()) == 4
    rights = Entitlements(tmp_path).rights("exchange", 3)
    assert (rights.may_trade(24), rights.may_trade(25)) == (True, False)
    assert not Entitlements(tmp_path).rights("exchange", 4).may_trade(1)
    assert Entitlements(tmp_path).rights("vpp", 3).is_unlimited
    run("entitle", "exchange", "--account", "3", "--clear", data=tmp_path)
    assert [rule.account_id for rule in Entitlements(tmp_path).all()] == [None]


@pytest.mark.parametrize(
    "arguments, code",
    [(["--products", "x"], "RM356"), (["--products", "5-"], "RM356"), (["--products", "9-5"], "RM353"),
     (["--products", "9999999999"], "RM353")],
)  # fmt: skip
def test_products_that_are_none_are_refused(tmp_path, capsys, arguments, code):
    assert run("entitle", "exchange", "--account", "3", *arguments, data=tmp_path) == 1
    assert code in capsys.readouterr().err
    assert run("entitle", "exchange", data=tmp_path) == 1
    assert "RM357" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--tls-only"], ["--tls-port", "exchange=1"], ["--tls-cert", "x.pem"]])
def test_tls_without_its_files_is_refused(tmp_path, capsys, arguments):
    assert run("gateway", *arguments, data=tmp_path) == 1
    assert "RM358" in capsys.readouterr().err


def rule(first, last, **values) -> Entitlement:
    return Entitlement("exchange", 3, first, last, **values)


def test_the_first_rule_with_the_product_holds():
    rights = Rights([rule(5, 5, trade=False, data="none"), rule(1, 9, data="top")])
    assert [product for product in range(12) if rights.may_trade(product)] == [1, 2, 3, 4, 6, 7, 8, 9]
    assert rights.may_see(messages.TOP, 4)
    assert not rights.may_see(messages.DEPTH, 4)
    assert not rights.may_see(messages.TOP | messages.DELAYED, 5)
    assert not rights.may_see(messages.TOP, 10)


def test_delayed_depth_needs_the_level_of_depth():
    rights = Rights([rule(0, 9, data="delayed")])
    seen = {name for name, feed in messages.FEEDS.items() if rights.may_see(feed, 1)}
    assert seen == {
        f"DELAYED_{name}" for name in ("TOP", "TRADES", "PHASES", "STATISTICS", "INDICATIVE", "TERMS")
    }


def test_a_file_that_is_gone_means_no_rules(tmp_path):
    rules = Entitlements(tmp_path)
    entitlements.write(tmp_path, [rule(1, 1)])
    assert not rules.rights("exchange", 3).may_trade(2)
    (tmp_path / entitlements.FILE_NAME).unlink()
    assert rules.rights("exchange", 3).is_unlimited


def test_too_many_rules_are_refused_by_name(tmp_path):
    with pytest.raises(RingmainError, match=r"RM353.*rules"):
        entitlements.write(tmp_path, [rule(1, 1)] * (entitlements.RULES + 1))
    path = tmp_path / entitlements.FILE_NAME
    path.write_text(json.dumps([{"market": "exchange", "account_id": 1, "colour": "red"}]))
    with pytest.raises(RingmainError, match=r"RM353.*colour"):
        Entitlements(tmp_path).all()


def test_tokens_that_are_made_at_once_are_all_kept(tmp_path):
    """Each reads the file, adds its own and writes it anew: only one at a time may."""
    names = [f"member {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: credentials.add_token(tmp_path, "exchange", 1, name), names))
    kept = credentials.Credentials(tmp_path).all()
    assert sorted(each.name for each in kept) == sorted(names)
    assert len({each.session_id for each in kept}) == len(names)


@pytest.mark.parametrize(("digest", "code"), [("", "RM359"), ("ab", "RM312"), ("x" * 64, "RM312")])
def test_a_token_is_bound_to_a_digest_or_not_made(tmp_path, capsys, digest, code):
    made = run("token", "exchange", "bound", "--account", "1", "--certificate", digest, data=tmp_path)
    assert made == 1 and code in capsys.readouterr().err
    assert not credentials.Credentials(tmp_path).all()


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf"])
def test_delayed_data_has_a_delay(tmp_path, capsys, seconds):
    assert run("gateway", "--delay-s", seconds, data=tmp_path) == 1
    assert "RM362" in capsys.readouterr().err
