"""A venue with every door open, which each file of tests has for itself."""

import pytest
from gateway_rig import Rig
from gateway_venue import order, set_up

from ringmain.exchange.messages import BUY


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    data = tmp_path_factory.mktemp("venue")
    rig = Rig(data, "exchange", is_secure=True, login_s=1.0, unread_bytes=65_536, unread_s=2.0)
    set_up(rig)
    yield rig
    rig.close()


@pytest.fixture
def others_are_served(rig):
    """Whatever a test does to the gateway, others are served afterwards."""
    yield
    with rig.client(rig.new_token("other")) as client:
        client.wait_answer(client.send(order(BUY, 1, 1)))
    assert all(process.poll() is None for process in rig.processes.values())
