"""A simulated world around the real venue: prices, traders, batteries, and the day they live."""
