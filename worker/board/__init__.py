"""The board that the worker serves at ``/``: what an operator opens first. It changes nothing."""
