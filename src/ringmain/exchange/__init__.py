"""The exchange: continuous order books and call auctions, settled in a ledger."""

from ringmain.exchange import safeguards_messages as safeguards_messages  # whoever reads the schema sees all
