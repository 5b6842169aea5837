"""The day-ahead auction's solver: prices, flows and blocks of the largest welfare, as a proposal."""
