"""Defines the version as a constant, because asking the installed package for it costs start-up time."""

__version__ = "0.1.0"
