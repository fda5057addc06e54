"""Plazo: decides every lapsed stock-validation deadline exactly once."""

from importlib.metadata import version

__version__ = version("plazo")
