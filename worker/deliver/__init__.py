"""Delivers decisions by HTTP, as signed webhooks, to receivers that are no consumers of Kafka."""
