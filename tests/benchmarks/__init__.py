"""The speed of convcalc compared with similar tools, in ratios within one run: `python -m tests.benchmarks`."""
