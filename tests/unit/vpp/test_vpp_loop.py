"""Why bids are made, whether they become orders, which steps were done; baselines and corrections."""

from typing import Any

import numpy as np
import pytest

from ringmain.vpp.loop_messages import (
    AS_FLEET,
    DONE,
    FORECAST,
    LOOP_REASONS,
    MODEL_FORECAST,
    PLANNED,
    SUBMIT_OFF,
    SUBMIT_ON,
    SUBMIT_SHADOW,
    BaselineAccepted,
    CorrectMeter,
    ExplainBid,
    RecordStep,
    SetSubmitMode,
    SubmitBaseline,
)
from ringmain.vpp.loop_views import Baselines
from ringmain.vpp.messages import SCHEMA, SELL, DefineProduct, RecordPrice, SubmitBid
from ringmain.vpp.state import KEPT_PERIODS, PERIOD_NS
from ringmain.vpp.views import DeskView
from unit.vpp.rig import BRIDGE, DESK, HOUR_NS, LINK, MIDNIGHT_NS, MINUTE_NS, Rig, battery, named, report
from unit.vpp.test_vpp_hierarchy import node

PRODUCT = 7
WEAR_MINOR = 500 * 2_000 // 100  # of 500 Wh at 20 EUR/MWh


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.send(DESK, battery(1), battery(2))
    rig.send(
        BRIDGE,
        DefineProduct(
            product_id=PRODUCT, delivery_start_ns=MIDNIGHT_NS + 6 * HOUR_NS, delivery_duration_s=3_600,
            gate_closure_ns=MIDNIGHT_NS + 5 * HOUR_NS, lot_power_w=1_000, value_minor=1_000,
        ),
    )  # fmt: skip
    return rig


def bid(bid_id: int, unit_id: int = 0) -> Any:
    return SubmitBid(
        bid_id=bid_id, product_id=PRODUCT, price_ticks=4_000, quantity_lots=3, side=SELL, time_in_force=0,
        unit_id=unit_id,
    )  # fmt: skip


def why(bid_id: int, **changes: int) -> Any:
    said = {
        "wanted_power_w": 5_000, "owed_power_w": 2_000, "expected_price_ticks": 5_100, "worth_ticks": 4_000,
        "purpose": PLANNED, "price_source": MODEL_FORECAST,
    }  # fmt: skip
    return ExplainBid(bid_id=bid_id, **{**said, **changes})


def mode(submit_mode: int, product_id: int = 0, unit_id: int = 0) -> Any:
    return SetSubmitMode(product_id=product_id, submit_mode=submit_mode, unit_id=unit_id)


class TestModes:
    def test_a_shadowed_bid_is_noted_and_becomes_no_order(self, rig: Rig) -> None:
        assert rig.send(DESK, mode(SUBMIT_SHADOW))[0]["record"] == "SubmitModeSet"
        (event,) = rig.send(DESK, bid(1))
        assert event["record"] == "BidShadowed"
        assert event["quantity_lots"] == 3
        assert rig.fleet.periods["selling_power_w"].sum() == 0
        assert rig.send(DESK, bid(1))[0]["reason"] == "BID_ID_NOT_RISING"

    def test_a_products_own_mode_goes_before_the_fleets(self, rig: Rig) -> None:
        rig.send(DESK, mode(SUBMIT_OFF), mode(SUBMIT_ON, PRODUCT))
        assert rig.send(DESK, bid(1))[0]["record"] == "BidSubmitted"
        rig.send(DESK, mode(AS_FLEET, PRODUCT))
        assert rig.send(DESK, bid(2))[0]["reason"] == "SUBMIT_MODE_OFF"

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [(mode(4), "SUBMIT_MODE_UNKNOWN"), (mode(AS_FLEET), "SUBMIT_MODE_UNKNOWN"),
         (mode(SUBMIT_ON, 99), "UNKNOWN_PRODUCT")],
    )  # fmt: skip
    def test_other_modes_are_refused(self, rig: Rig, asked: Any, reason: str) -> None:
        assert rig.send(DESK, asked)[0]["reason"] == reason

    def test_only_the_operator_sets_them(self, rig: Rig) -> None:
        assert rig.send(LINK, mode(SUBMIT_OFF))[0]["reason"] == "NOT_OPERATOR"


class TestUnits:
    FEEDER, SITE, INVERTER, SPARE = 20, 21, 22, 30

    @pytest.fixture
    def grid(self, rig: Rig) -> Rig:
        """A feeder with a site and its inverter, beside the two homes of the batteries."""
        rig.send(DESK, node(self.FEEDER), node(self.SITE, parent_id=self.FEEDER, is_site=1),
                 node(self.INVERTER, parent_id=self.SITE), node(self.SPARE))  # fmt: skip
        return rig

    def test_the_nearest_mode_counts(self, grid: Rig) -> None:
        grid.send(DESK, mode(SUBMIT_OFF, unit_id=self.FEEDER), mode(SUBMIT_SHADOW, unit_id=self.SITE))
        said = {unit: grid.send(DESK, bid(n, unit))[0] for n, unit in enumerate((0, 20, 21, 22, 30), 1)}
        assert {unit: event["record"] for unit, event in said.items()} == {
            0: "BidSubmitted", 20: "BidRejected", 21: "BidShadowed", 22: "BidShadowed", 30: "BidSubmitted",
        }  # fmt: skip
        assert said[20]["reason"] == "SUBMIT_MODE_OFF"
        assert (said[22]["unit_id"], said[30]["unit_id"]) == (22, 30)

    def test_a_view_hands_modes_down(self) -> None:
        rig, view = Rig(), DeskView()
        rig.apply(DESK, [node(20), node(21, parent_id=20), node(22, parent_id=21), battery(1, node_id=21)])
        rig.apply(DESK, [mode(SUBMIT_OFF, unit_id=20), mode(SUBMIT_ON, unit_id=22)])
        view.fold(rig.rows())
        assert view.units.mode_of(21) == SUBMIT_OFF
        assert view.units.mode_of(np.array([1, 0, 20, 21, 22])).tolist() == [1, 1, 3, 3, 1]
        rig.take()
        rig.apply(DESK, [mode(AS_FLEET, unit_id=20)])
        view.fold(rig.rows())
        assert view.units.mode_of(21) == SUBMIT_ON

    def test_the_strictest_of_product_fleet_and_unit_counts(self, grid: Rig) -> None:
        grid.send(DESK, mode(SUBMIT_ON, unit_id=self.FEEDER), mode(SUBMIT_SHADOW))
        assert grid.send(DESK, bid(1, self.SITE))[0]["record"] == "BidShadowed"
        grid.send(DESK, mode(SUBMIT_ON, PRODUCT))
        assert grid.send(DESK, bid(2, self.SITE))[0]["record"] == "BidSubmitted"
        grid.send(DESK, mode(SUBMIT_OFF, PRODUCT))
        assert grid.send(DESK, bid(3, self.SITE))[0]["reason"] == "SUBMIT_MODE_OFF"

    def test_a_unit_may_follow_the_node_above_again(self, grid: Rig) -> None:
        grid.send(DESK, mode(SUBMIT_OFF, unit_id=self.SITE), mode(AS_FLEET, unit_id=self.SITE))
        assert grid.send(DESK, bid(1, self.SITE))[0]["record"] == "BidSubmitted"

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [(mode(SUBMIT_ON, PRODUCT, 20), "MODE_OF_PRODUCT_AND_UNIT"), (mode(SUBMIT_ON, 0, 99), "UNKNOWN_UNIT"),
         (mode(SUBMIT_ON, 0, 2**32 - 1), "UNKNOWN_UNIT"), (mode(4, 0, 20), "SUBMIT_MODE_UNKNOWN"),
         (bid(1, 99), "UNKNOWN_UNIT"), (bid(1, 2**32 - 1), "UNKNOWN_UNIT")],
    )  # fmt: skip
    def test_what_is_no_unit_is_refused(self, grid: Rig, asked: Any, reason: str) -> None:
        assert grid.send(DESK, asked)[0]["reason"] == reason


class TestWhy:
    def test_a_reason_goes_before_its_bid(self, rig: Rig) -> None:
        told, submitted = rig.send(DESK, why(1), bid(1))
        assert (told["record"], submitted["record"]) == ("BidExplained", "BidSubmitted")
        assert told["expected_price_ticks"] == 5_100
        assert rig.send(DESK, why(1))[0]["reason"] == "BID_ID_NOT_RISING"

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [({"purpose": 9}, "PURPOSE_UNKNOWN"), ({"price_source": 0}, "PURPOSE_UNKNOWN"),
         ({"worth_ticks": 2_000_000}, "PRICE_OUT_OF_RANGE")],
    )  # fmt: skip
    def test_what_explains_nothing_is_refused(self, rig: Rig, changes: dict[str, int], reason: str) -> None:
        assert rig.send(DESK, why(1, **changes))[0]["reason"] == reason

    def test_a_step_is_noted(self, rig: Rig) -> None:
        step = {"about_ns": MIDNIGHT_NS, "gate_ns": MIDNIGHT_NS, "count": 3, "price_source": 2}
        assert rig.send(DESK, RecordStep(step=FORECAST, outcome=DONE, **step))[0]["record"] == "StepRecorded"
        assert rig.send(DESK, RecordStep(step=9, outcome=DONE, **step))[0]["reason"] == "STEP_UNKNOWN"


def settled(rig: Rig, given_wh: int = 500) -> list[dict[str, Any]]:
    """Let battery 1 give some energy in the first quarter-hour, and settle it; no award is owed."""
    rig.send(
        BRIDGE,
        RecordPrice(
            delivery_start_ns=MIDNIGHT_NS, delivery_duration_s=3_600, price_ticks=5_000, price_kind=2
        ),
    )
    rig.now_ns += 1_000_000
    for number, minute in enumerate((0, 15), 1):
        rig.advance(MIDNIGHT_NS + minute * MINUTE_NS + 1_000_000)
        moved = given_wh if minute else 0
        for asset_id in (1, 2):
            rig.send(
                LINK,
                report(
                    asset_id, number, MIDNIGHT_NS + minute * MINUTE_NS,
                    discharged_wh=moved if asset_id == 1 else 0,
                ),
            )  # fmt: skip
    return rig.advance(MIDNIGHT_NS + 31 * MINUTE_NS)


class TestBaselines:
    def test_what_is_long_past_is_forgotten_and_its_sum_stands(self) -> None:
        view = Baselines()

        def say(site_id: int, period: int, power_w: int) -> None:
            said = BaselineAccepted(
                site_id=site_id,
                delivery_start_ns=period * PERIOD_NS,
                delivery_duration_s=900,
                power_w=power_w,
            )
            view.fold(SCHEMA.batch([said]))

        for period in range(1_000, 1_000 + 5 * KEPT_PERIODS, 7):
            for site_id in (1, 2):
                say(site_id, period, 100 * site_id)
            say(1, max(1_000, period - 210), 150)  # it may change its mind for as long as that
        assert len(view._of_site) <= 2 * 2 * KEPT_PERIODS // 7 + 2
        early, newest = 1_000 + 7, period
        assert (view.power_w[early], view.power_w[newest]) == (350, 300)

    def test_what_a_site_would_have_run_anyway_is_neither_sold_nor_owed(self, rig: Rig) -> None:
        block = {"site_id": 1, "delivery_start_ns": MIDNIGHT_NS + PERIOD_NS, "delivery_duration_s": 900}
        assert rig.send(DESK, SubmitBaseline(power_w=1_600, **block))[0]["record"] == "BaselineAccepted"
        rig.send(DESK, SubmitBaseline(power_w=800, **block))  # the newest stands
        assert rig.fleet.periods["baseline_w"].sum() == 800
        rig.now_ns += 1
        late = {**block, "delivery_start_ns": MIDNIGHT_NS}
        assert rig.send(DESK, SubmitBaseline(power_w=1, **late))[0]["reason"] == "PERIOD_PAST"

    def test_a_site_is_settled_on_what_it_ran_beyond(self, rig: Rig) -> None:
        block = {"site_id": 1, "delivery_start_ns": MIDNIGHT_NS, "delivery_duration_s": 900}
        rig.send(DESK, SubmitBaseline(power_w=1_600, **block))
        events = settled(rig)
        (energy,), (money,) = named(events, "FleetMetered"), named(events, "FleetSettled")
        (applied,) = named(events, "BaselineApplied")
        assert energy["metered_wh"] == 500
        assert applied["baseline_wh"] == 400
        assert money["imbalance_minor"] == (500 - 400) * 5_000 // 100

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [({"site_id": 99}, "UNKNOWN_SITE"), ({"power_w": 100_000_001}, "BASELINE_OUT_OF_RANGE"),
         ({"delivery_duration_s": 901}, "PERIOD_MISALIGNED"),
         ({"delivery_duration_s": 900 * (KEPT_PERIODS + 1)}, "BEYOND_HORIZON")],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(self, rig: Rig, changes: dict[str, int], reason: str) -> None:
        block = {"site_id": 1, "power_w": 5, "delivery_start_ns": MIDNIGHT_NS, "delivery_duration_s": 900}
        assert rig.send(DESK, SubmitBaseline(**{**block, **changes}))[0]["reason"] == reason


def correction(metered_wh: int, site_id: int = 1, start_ns: int = MIDNIGHT_NS) -> Any:
    return CorrectMeter(period_start_ns=start_ns, site_id=site_id, metered_wh=metered_wh)


class TestCorrections:
    def test_the_difference_is_money_between_the_site_and_balancing(self, rig: Rig) -> None:
        (paid,) = named(settled(rig), "SiteSettled")
        site, fleet = rig.send(DESK, correction(480))
        assert site["amount_minor"] == -20 * 5_000 // 100
        assert site["balance_minor"] == paid["balance_minor"] + site["amount_minor"]
        assert (fleet["settlement_version"], fleet["metered_wh"]) == (2, 480)
        assert sum(int(account["balance_minor"]) for account in rig.fleet.accounts) == 0
        _, again = rig.send(DESK, correction(490))
        assert (again["settlement_version"], again["correction_wh"]) == (3, 10)

    def test_a_site_that_moved_nothing_may_be_corrected_too(self, rig: Rig) -> None:
        settled(rig)
        site, _ = rig.send(DESK, correction(-30, site_id=2))
        assert site["amount_minor"] == -30 * 5_000 // 100

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [(correction(500), "NOTHING_TO_CORRECT"), (correction(1, site_id=99), "UNKNOWN_SITE"),
         (correction(1, start_ns=MIDNIGHT_NS + 1), "PERIOD_MISALIGNED"),
         (correction(1, start_ns=MIDNIGHT_NS + 8 * PERIOD_NS), "PERIOD_NOT_SETTLED"),
         (correction(1, start_ns=MIDNIGHT_NS - KEPT_PERIODS * PERIOD_NS), "BEYOND_RESETTLEMENT"),
         (correction(25_000_001), "ENERGY_OUT_OF_RANGE")],
    )  # fmt: skip
    def test_what_cannot_be_corrected_is_refused(self, rig: Rig, asked: Any, reason: str) -> None:
        settled(rig)
        assert rig.send(DESK, asked)[0]["reason"] == reason

    def test_both_versions_are_in_the_view(self, rig: Rig) -> None:
        paid = named(settled(rig), "FleetSettled")[0]["imbalance_minor"]
        view = DeskView()
        rig.apply(DESK, [correction(480)])
        view.fold(rig.rows())
        (corrected,) = view.settlement.corrections
        assert (corrected.correction_wh, corrected.settlement_version) == (-20, 2)
        assert view.settlement.income_minor == -1_000
        assert view.settlement.site_balance_minor[1] == paid - 1_000 - WEAR_MINOR


def test_the_codes_are_the_schemas() -> None:

    assert all(SCHEMA.reasons[code] == name for name, code in LOOP_REASONS.items())
