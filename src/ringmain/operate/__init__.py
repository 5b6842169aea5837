"""What an operator does to a venue from the command line: commands over the gateway, guarded."""
