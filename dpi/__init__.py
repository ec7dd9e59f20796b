"""Inline traffic classifier and shaper for Linux routers."""

__version__ = "0.1.0"
