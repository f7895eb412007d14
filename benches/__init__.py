"""Benchmarks of Sealtone against its peers: `python -m benches`."""
