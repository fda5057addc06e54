"""Formats that a file describes: JMESPath expressions for the fields of our events."""
