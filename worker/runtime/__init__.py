"""The process: its parts, the life cycle of its lanes, and its monitor."""
