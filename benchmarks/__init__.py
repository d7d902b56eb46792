"""One script a claim, each against what a user would run instead, side by side in one run: `python -m benchmarks.NAME`."""
