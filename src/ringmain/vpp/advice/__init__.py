"""Advice: forecasts, plans and bids. Reads views, yields commands, never touches state."""
