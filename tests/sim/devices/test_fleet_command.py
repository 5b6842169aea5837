"""A fleet is taken in, set and looked at from the command line, over the gateway of a running node."""

import json

import pytest
from live_fleet import LINK, Fleet, wait

from ringmain.cli import main
from ringmain.core.tape import TapeReader
from ringmain.operate.acting import TOKEN_VARIABLE
from ringmain.vpp.fleets import seeded_homes
from ringmain.vpp.messages import SCHEMA
from ringmain.world.live import rows_of_others

BATTERY = {
    "kind": "battery", "asset_id": 900, "node_id": 900, "charge_limit_w": 5_000, "discharge_limit_w": 5_000,
    "energy_capacity_wh": 10_000, "reserve_permille": 100, "charge_efficiency_permille": 950,
    "discharge_efficiency_permille": 950, "wear_price_ticks": 300, "link_account_id": LINK,
}  # fmt: skip
NODE = {"kind": "node", "parent_id": 0, "import_limit_w": 50_000, "export_limit_w": 50_000, "is_site": 0}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    yield made
    made.close()


@pytest.fixture
def act(fleet, capsys, monkeypatch):
    """Run an action on the fleet; return its exit code, and what it said on both ways."""
    monkeypatch.setenv(TOKEN_VARIABLE, fleet.operator_token)

    def run(action, *arguments):
        code = main(["vpp", action, *map(str, arguments), "--data", str(fleet.data)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def send(fleet, capsys, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, fleet.operator_token)

    def run(*arguments, token=None, is_agreed=True):
        if token is not None:
            monkeypatch.setenv(TOKEN_VARIABLE, token)
        agreed = ["--yes"] if is_agreed else []
        code = main(["vpp", "send", "--data", str(fleet.data), *agreed, *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def written(tmp_path):
    """Write rows to a file, as JSON or CSV by its name."""

    def write(rows, name="fleet.json"):
        path = tmp_path / name
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [",".join(columns), *(",".join(str(row.get(c, "")) for c in columns) for row in rows)]
        path.write_text(json.dumps(rows) if path.suffix == ".json" else "\n".join(lines) + "\n")
        return path

    return write


def events_of(fleet, name):
    tape = TapeReader(fleet.data / "vpp", SCHEMA)
    found = []
    while (rows := tape.read()).size:
        found += [said for row in rows if (said := SCHEMA.unpack_event(row))["record"] == name]
    tape.close()
    return found


def test_homes_are_taken_in_once(fleet, act, written):
    """From CSV, in portions, whatever is in it; a second time changes nothing."""
    homes = rows_of_others(seeded_homes(250, 3, 1, 1))
    path = written(homes, "homes.csv")
    code, out, _ = act("import", path, "--link", LINK, "--dry-run")
    assert (code, events_of(fleet, "NodeSet")) == (0, []) and f"{len(homes)} commands are right" in out
    code, out, _ = act("import", path, "--link", LINK)
    assert (code, out) == (0, f"{len(homes)} taken in, 0 were there already, 0 refused.\n")
    assets = json.loads(act("assets", "--json")[1])
    assert len(assets) == sum(row["kind"] != "node" for row in homes)
    registered = events_of(fleet, "BatteryRegistered")
    assert len(registered) == 250 and {event["link_account_id"] for event in registered} == {LINK}
    code, out, _ = act("import", path, "--link", LINK, "--json")
    nodes = sum(row["kind"] == "node" for row in homes)
    assert code == 0
    assert json.loads(out) == {"taken": nodes, "known": len(homes) - nodes, "refused": []}
    assert len(json.loads(act("assets", "--json")[1])) == len(assets)


def test_what_the_node_refuses_is_named_and_the_rest_is_taken_in(fleet, act, written):
    """The file is right by itself, and does not fit to what is there."""
    assert act("import", written([{**NODE, "node_id": 800}, {**NODE, "node_id": 801}]))[0] == 0
    moved = [{**NODE, "node_id": 800}, {**NODE, "node_id": 801, "parent_id": 800}, BATTERY]
    code, out, _ = act("import", written(moved), "--json")
    assert code == 1
    refused = [{"subject": "node 801", "reason": "PARENT_CHANGED"}]
    assert json.loads(out) == {"taken": 2, "known": 0, "refused": refused}
    assert 900 in {event["asset_id"] for event in events_of(fleet, "BatteryRegistered")}
    code, out, _ = act("import", written(moved))
    assert code == 1 and "1 taken in, 1 were there already, 1 refused." in out and "PARENT_CHANGED" in out


@pytest.mark.parametrize(
    ("change", "code"),
    [({"charge_limit_w": 5}, "RM604"), ({"charge_limit_kw": 5}, "RM604"),
     ({"charge_limit_w": "NaN"}, "RM602"), ({"charge_limit_w": 4_999.5}, "RM602"),
     ({"energy_capacity_wh": ""}, "RM602"), ({"kind": "reactor"}, "RM602"),
     ({"reserve_permille": 1_001}, "RM603"), ({"charge_efficiency_permille": 0}, "RM603"),
     ({"asset_id": 1 << 20}, "RM603"), ({"asset_id": -4}, "RM602")],
)  # fmt: skip
def test_a_file_with_a_wrong_row_takes_nothing_in(fleet, act, written, change, code):
    before = fleet.tape.readable()
    commands = len(events_of(fleet, "BatteryRegistered"))
    good = {**BATTERY, "asset_id": 950, "node_id": 950}
    status, out, err = act("import", written([good, {**BATTERY, "asset_id": 951, **change}]))
    assert (status, out) == (1, "") and err.startswith(f"{code} fleet fleet.json: row 2")
    assert len(events_of(fleet, "BatteryRegistered")) == commands
    assert fleet.tape.readable() >= before


def test_wrong_calls_of_import_are_answered_in_one_line(fleet, act, written, tmp_path, monkeypatch):
    path = written([BATTERY])
    for arguments, code in (
        ((path, "--link", 0), "RM776"), ((path, "--link", 70_000), "RM776"),
        ((tmp_path / "none.csv",), "RM601"), ((written([], "empty.json"),), "RM601"),
        ((written([], "empty.csv"),), "RM601"), ((written([BATTERY], "fleet.xml"),), "RM601"),
        ((path, "--port", 1), "RM301"), ((path, "--token", tmp_path / "none"), "RM685"),
    ):  # fmt: skip
        status, out, err = act("import", *arguments)
        assert (status, out) == (1, "") and err.startswith(code) and err.count("\n") == 1, err
    monkeypatch.setenv(TOKEN_VARIABLE, "guessed")
    assert act("import", path)[2].startswith("RM302")
    monkeypatch.setenv(TOKEN_VARIABLE, fleet.link_token)  # of a device link, which takes nobody in
    status, out, _ = act("import", written([{**BATTERY, "asset_id": 970}]), "--json")
    assert status == 1
    assert json.loads(out)["refused"] == [{"subject": "asset 970", "reason": "NOT_OPERATOR"}]


def test_any_command_is_sent_and_its_answer_told(fleet, send):
    code, out, _ = send("set-submit-mode", "--product-id", 0, "--submit-mode", "shadow")
    assert code == 0 and out.startswith("SubmitModeSet at sequence ") and "submit_mode SHADOW" in out
    code, out, _ = send("--json", "SetSubmitMode", "--product-id", 0, "--submit-mode", "ON")
    assert code == 0
    (event,) = json.loads(out)
    assert (event["record"], event["submit_mode"]) == ("SubmitModeSet", 1)
    ends = "2100-01-01T00:00:00Z"
    target = ("set-target", "--valid-until-ns", ends, "--power-w=-2_000", "--ramp-w-per-s", 0)
    code, out, _ = send("--dry-run", *target)
    assert code == 0 and json.loads(out)["power_w"] == -2_000
    code, out, err = send(*target, is_agreed=False)
    assert (code, out) == (1, "") and "SetTarget: " in err and "RM681 vpp: nobody is at a terminal" in err
    assert events_of(fleet, "TargetSet") == []
    assert send(*target)[0] == 0
    wait(lambda: [event["power_w"] for event in events_of(fleet, "TargetSet")] == [-2_000])


def test_a_command_that_changes_nothing_says_why(fleet, send):
    for arguments, reason in (
        (("retire-asset", "--asset-id", 16_000), "UNKNOWN_ASSET"),
        (("set-submit-mode", "--product-id", 77, "--submit-mode", "on"), "UNKNOWN_PRODUCT"),
        (("set-target", "--valid-until-ns", "2001-01-01T00:00:00Z", "--power-w", 1, "--ramp-w-per-s", 0), ""),
    ):
        code, out, err = send(*arguments)
        assert (code, out) == (1, "") and "\nRM683 vpp: " in err and reason in err, err
    code, _, err = send("retire-asset", "--asset-id", 1, token=fleet.link_token)
    assert code == 1 and "NOT_OPERATOR" in err


@pytest.mark.parametrize(
    "wrong",
    [["set-target", "--power-w", "five"], ["set-target", "--power-w", "nan"], ["set-submit-mode"],
     ["set-submit-mode", "--product-id", "0", "--submit-mode", "maybe"],
     ["set-target", "--valid-until-ns", "tomorrow", "--power-w", "1", "--ramp-w-per-s", "0"]],
)  # fmt: skip
def test_what_is_no_command_is_not_sent(fleet, send, wrong):
    with pytest.raises(SystemExit) as ended:
        send(*wrong)
    assert ended.value.code == 2


def test_numbers_that_do_not_fit_and_names_that_are_none_are_told(fleet, send):
    assert send("abolish-gravity")[2].startswith("RM680")
    assert send("report-telemetry")[2].startswith("RM680")  # not the operator's
    code, out, err = send("retire-asset", "--asset-id", 1 << 40)
    assert (code, out) == (1, "") and err.startswith("RM") and "asset_id" in err
