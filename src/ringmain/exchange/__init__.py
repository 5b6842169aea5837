"""The exchange: continuous order books and call auctions, settled in a ledger."""

from ringmain.exchange import multileg_messages as multileg_messages  # declares on the schema, whoever asks
