"""Decisions. Their input is time, as records are the input of ``ingest``."""
