"""Pure: samples in, samples out. Stands on numpy and core."""
