"""Reads records whose schema stands in a schema registry: Confluent's wire format and its API."""
