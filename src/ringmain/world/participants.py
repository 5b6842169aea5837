"""Who trades on the simulated exchange, each in its own ways."""

from ringmain.exchange.messages import BUY, SELL
from ringmain.world.auction_traders import (
    AuctionBlocks,
    AuctionCurve,
    base_blocks,
    pumped_blocks,
    shift_blocks,
    thermal_blocks,
)
from ringmain.world.book_traders import (
    BlockTrader,
    CallLadder,
    IcebergTrader,
    NoiseTaker,
    PostOnlyMaker,
    Quoter,
    Shaper,
    TrendFollower,
)
from ringmain.world.reserve_traders import CALLS, DEMAND, HYDRO, STORAGE, THERMAL
from ringmain.world.traders import Participant

SYSTEM_OPERATOR = "system operator"  # of the grid: the only one who buys reserve

PARTICIPANTS: tuple[Participant, ...] = (
    Participant("hydro", (
        AuctionCurve("hydro curve", SELL, 260),
        CallLadder("hydro call", SELL, 30),
        IcebergTrader("hydro iceberg", SELL, 120, 12),
        HYDRO,
    )),
    Participant("thermal", (
        AuctionCurve("thermal curve", SELL, 180, error_ticks=120),
        AuctionBlocks("thermal units", thermal_blocks),
        CallLadder("thermal call", SELL, 24),
        BlockTrader("thermal blocks", SELL, 8),
        THERMAL,
    )),
    Participant("wind", (
        AuctionCurve("wind curve", SELL, 60, segments=4, firm_lots=450),
        Shaper("wind shape", 6),
    )),
    Participant("storage", (AuctionBlocks("storage turns", pumped_blocks), STORAGE)),
    Participant("city", (
        AuctionCurve("city curve", BUY, 240, firm_lots=400, slopes=True),
        AuctionBlocks("city blocks", base_blocks),
        CallLadder("city call", BUY, 30),
        BlockTrader("city blocks", BUY, 8),
    )),
    Participant("industry", (
        AuctionCurve("industry curve", BUY, 200, error_ticks=100, slopes=True),
        AuctionBlocks("industry shifts", shift_blocks),
        CallLadder("industry call", BUY, 24),
        IcebergTrader("industry iceberg", BUY, 120, 12),
    )),
    Participant("maker-north", (Quoter("maker-north", 45, 30),)),
    Participant("maker-south", (PostOnlyMaker("maker-south", 70, 60),)),
    Participant("retail", (NoiseTaker("retail", 4.0, 25),)),
    Participant("momentum", (TrendFollower("momentum", 150, 15),)),
    Participant(SYSTEM_OPERATOR, (DEMAND, CALLS)),
)  # fmt: skip
QUOTERS = ("maker-north",)
