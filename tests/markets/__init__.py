"""Markets that only tests run."""
