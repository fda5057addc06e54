"""The process: its parts, the life of its lanes, and its monitor."""
