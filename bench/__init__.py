"""Benchmarks: ratios against a limit or a peer in the same run, never times alone. See docs/performance.md."""
