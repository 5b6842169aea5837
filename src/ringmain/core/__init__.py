"""What every market stands on: ring, journal, tape, snapshot, replay, records, the node."""
