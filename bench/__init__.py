"""Benchmarks: each figure the median of five, each beside its peer in the same run."""
