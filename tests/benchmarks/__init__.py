"""How fast convcalc is beside its neighbours, in ratios measured in one run: `python -m tests.benchmarks`."""
