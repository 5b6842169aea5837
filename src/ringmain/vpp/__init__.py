"""The virtual power plant: batteries' twins, the fleet's commitments, dispatch and settlement."""
