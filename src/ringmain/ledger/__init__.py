"""Double-entry accounts in integer minor units, used inside the markets' engines."""
