"""Decisions: time is the input here, as records are in ``ingest``."""
