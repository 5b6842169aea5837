"""The FIX door: FIX 4.4 and FIX 5.0 SP2 over FIXT.1.1, order entry, drop copy and market data."""
