"""The schema registry that records and decisions name: its HTTP API and its wire format."""
