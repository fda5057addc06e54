"""Faults planted in the worker: the simulation must catch each of them."""
