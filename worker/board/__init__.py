"""The board that the worker serves at ``/`` for a first look. It changes nothing."""
