"""Benchmarks: they measure and print, and assert nothing. ``make bench``, ``make bench ONLY=dispatch``."""
