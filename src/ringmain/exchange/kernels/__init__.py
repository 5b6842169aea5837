"""The exchange's compiled kernels, one topic a file."""
