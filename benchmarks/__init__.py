"""Benchmarks that read the truth of simulated worlds; the package never does."""
