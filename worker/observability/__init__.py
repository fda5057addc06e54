"""Metrics, logs, traces and the HTTP server that shows them."""
