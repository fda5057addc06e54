"""The work of operators and support: explain, check, replay, retention."""
