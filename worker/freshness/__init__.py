"""Proof of freshness: no decision before all evidence was read."""
