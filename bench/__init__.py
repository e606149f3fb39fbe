"""Benchmarks against named peers: ratios, measured side by side in one run. Absolute times on a shared machine mean little."""
