"""Calls and payments of reserve: the fleet is told of its own, in its own units."""

from ringmain.bridge.reserve import command_of
from ringmain.exchange.reserve_messages import ReserveActivated, ReserveSettled
from ringmain.vpp.reserve_messages import RecordActivation, RecordReserveSettled

OWN, OTHER = 5, 6
ACTIVATED = {"until_ns": 77, "product_id": 7, "quantity_lots": 3, "activation_ticks": 900}
SETTLED = {"amount_minor": 5_000, "product_id": 7, "activated_lot_ms": 36 * 12_345 + 35}


def test_a_call_of_the_fleet_is_told_and_anothers_is_not():
    said = RecordActivation.unpack(command_of(ReserveActivated(account_id=OWN, **ACTIVATED), OWN))
    assert (said["product_id"], said["quantity_lots"], said["until_ns"]) == (7, 3, 77)
    assert command_of(ReserveActivated(account_id=OTHER, **ACTIVATED), OWN) is None


def test_energy_that_is_paid_is_told_in_whole_wh_rounded_down():
    said = RecordReserveSettled.unpack(command_of(ReserveSettled(account_id=OWN, **SETTLED), OWN))
    assert (said["product_id"], said["amount_minor"], said["activated_wh"]) == (7, 5_000, 12_345)
    assert command_of(ReserveSettled(account_id=OTHER, **SETTLED), OWN) is None
