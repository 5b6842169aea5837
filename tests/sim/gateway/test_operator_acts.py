"""The operator acts on a running venue from the command line."""

import json
import os
import pty
import subprocess
import sys

import pytest
from gateway_venue import order

from ringmain.cli import main
from ringmain.exchange.messages import BUY, SELL
from ringmain.operate.acting import TOKEN_VARIABLE


@pytest.fixture(scope="module")
def tokens(rig):
    """Files with the tokens of two people who operate, and of a participant."""
    files = {}
    for name, values in (
        ("desk", {"account_id": 0, "role": "operator"}),
        ("second", {"account_id": 0, "role": "operator"}),
        ("trader", {}),
    ):
        files[name] = rig.data / f"{name}.token"
        files[name].write_text(rig.new_token(f"acting {name}", **values))
    return files


@pytest.fixture
def act(rig, tokens, capsys):
    """Run an action; return its exit code, and what it said on both ways."""

    def run(*arguments, who="desk", data=None):
        action, *rest = arguments
        options = ["--data", str(data or rig.data), "--token", str(tokens[who])]
        code = main(["exchange", action, *options, *rest])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def define(act, product_id):
    fields = {"product-id": product_id, "product-kind": "instrument", "value-minor": 1_000,
              "reference-price-ticks": 4_000, "market-range-ticks": 500, "delivery-start-ns": 0}  # fmt: skip
    given = [part for name, value in fields.items() for part in (f"--{name}", str(value))]
    code, out, err = act("send", "define-product", *given)
    assert (code, err) == (0, "") and "ProductDefined" in out
    timed = ["--product-id", str(product_id), "--auction-ns", "0", "--gate-closure-ns", "0"]
    assert act("send", "schedule-product", *timed)[0] == 0


def test_a_product_is_defined_halted_and_resumed(act):
    define(act, 901)
    code, out, err = act("halt", "901", "--yes")
    assert code == 0 and "PhaseChanged" in out and "HALTED" in out
    assert "Product 901 is CONTINUOUS, and 0 orders rest in it." in err
    assert act("resume", "901")[0] == 0
    code, out, err = act("resume", "901")
    assert code == 1 and "RM683" in err and "WRONG_PHASE" in err


def test_a_trade_is_busted_by_two_people_and_by_no_one_alone(rig, act):
    define(act, 902)
    with rig.client(rig.new_token("buyer")) as buyer, rig.client(rig.new_token("seller")) as seller:
        limits = ["--account-id", "1", "--product-group", "0", "--value-max-minor", "0"]
        limits += [
            "--quantity-max-lots",
            "1000000",
            "--static-collar-ticks",
            "0",
            "--dynamic-collar-ticks",
            "0",
        ]
        assert act("send", "set-order-limits", *limits)[0] == 0  # trades are kept from the first safeguard on
        seller.wait_answer(seller.send(order(SELL, 5_000, 3, product_id=902)))
        traded = buyer.wait_answer(buyer.send(order(BUY, 5_000, 3, product_id=902)))
        sequence = int(traded["sequence"][-1])
    code, out, err = act("bust", f"{sequence}.0", "--yes", "--json")
    assert code == 0 and "0.3 MW of product 902 at 50.00 EUR/MWh" in err
    (proposed,) = json.loads(out)
    proposal = str(proposed["sequence"])
    code, _, err = act("approve", proposal, "--yes")
    assert code == 1 and "APPROVED_BY_PROPOSER" in err
    code, out, err = act("approve", proposal, "--yes", who="second")
    assert code == 0 and out.count("TradeChanged") == 2 and "undo it" in err
    code, _, err = act("correct", f"{sequence}.0", "--price-ticks", "4000", "--yes")
    assert code == 1 and "ALREADY_BUSTED" in err


def test_a_kill_switch_asks_first_and_says_whom_it_meets(rig, act):
    define(act, 903)
    with rig.client(rig.new_token("killed")) as client:
        client.wait_answer(client.send(order(BUY, 1, 1, product_id=903)))
        code, out, err = act("kill", "product", "903", "--dry-run")
        assert code == 0 and json.loads(out)["scope"] == "PRODUCT" and "1 orders rest in it" in err
        assert act("kill", "product", "903", "--yes")[0] == 0
        refused = client.wait_answer(client.send(order(BUY, 1, 1, product_id=903)))
        assert client.unpack(refused[-1])["reason"] == "KILL_SWITCH_ENGAGED"
        assert act("unkill", "product", "903")[0] == 0


def test_without_a_terminal_nothing_dangerous_is_done(act):
    define(act, 904)
    code, out, err = act("halt", "904")
    assert code == 1 and "RM681" in err and out == ""
    assert "Product 904 is CONTINUOUS" in err


@pytest.mark.parametrize(("typed", "code", "said"), [("yes", 0, "HALTED"), ("y", 1, "Nothing was sent.")])
def test_at_a_terminal_a_typed_yes_does_it(rig, tokens, act, typed, code, said):
    product = {"yes": "905", "y": "906"}[typed]
    define(act, int(product))
    leader, follower = pty.openpty()
    command = ["-m", "ringmain.cli", "exchange", "halt", product, "--data", str(rig.data), "--token"]
    process = subprocess.Popen(
        [sys.executable, *command, str(tokens["desk"])], stdin=follower, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    os.write(leader, f"{typed}\n".encode())
    out, _ = process.communicate(timeout=60)
    os.close(leader)
    os.close(follower)
    assert (process.returncode, said in out) == (code, True)


def test_a_participants_token_changes_nothing(act):
    code, _, err = act("send", "resume-product", "--product-id", "1", who="trader")
    assert code == 1 and "OPERATOR_ONLY" in err


def test_what_was_done_stands_in_the_journal_with_who_did_it(act, rig, capsys):
    define(act, 907)
    capsys.readouterr()
    assert main(["exchange", "actions", "--data", str(rig.data), "--last", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["command"] for row in rows] == ["DefineProduct", "ScheduleProduct"]
    assert {row["session"] for row in rows} == {"acting desk"}
    assert "product_id 907" in rows[0]["values"]


def test_wrong_use_is_told_in_one_line(act, tmp_path, rig, capsys, monkeypatch):
    assert "RM680" in act("send", "abolish-gravity")[2]
    assert "RM684" in act("resume", "1", data=tmp_path)[2]
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert main(["exchange", "resume", "1", "--data", str(rig.data)]) == 1
    assert "RM685" in capsys.readouterr().err
    assert main(["exchange", "resume", "1", "--data", str(rig.data), "--token", str(tmp_path / "no")]) == 1
    assert "RM685" in capsys.readouterr().err
    for wrong in (
        ["bust", "x"],
        ["kill", "everybody"],
        ["send", "define-product", "--product-kind", "candy"],
    ):
        with pytest.raises(SystemExit) as ended:
            act(*wrong)
        assert ended.value.code == 2


def test_the_token_may_stand_in_the_environment(rig, tokens, capsys, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, tokens["desk"].read_text())
    assert main(["exchange", "resume", "1", "--data", str(rig.data)]) == 1
    assert "RM683" in capsys.readouterr().err


def test_the_commands_are_listed_with_what_they_do(capsys):
    assert main(["exchange", "send"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("set-order-limits", "open-auction", "set-fees"))
    assert "propose-price" not in out
