"""Queueing disciplines, one file a kind; `leaves` picks what stands at the end of a class."""
