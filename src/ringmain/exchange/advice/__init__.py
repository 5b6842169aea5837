"""Advice to the exchange: models that read its tape and send commands."""
