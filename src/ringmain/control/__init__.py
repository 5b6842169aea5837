"""What starts, watches and ends the processes of a venue."""
