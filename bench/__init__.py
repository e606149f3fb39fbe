"""Benchmarks against named peers: ratios, measured side by side in one run; absolute times here mean little."""
