"""Measurements, run by hand. Each prints its table; none is a test."""
