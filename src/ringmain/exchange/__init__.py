"""The exchange: continuous order books and call auctions, settled in a ledger."""
