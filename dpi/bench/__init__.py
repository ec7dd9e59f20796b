"""Measurements, each with its baseline in the same run: numbers of two runs on a busy machine do not compare.

inline      what being inline costs: plain, offloaded, queued, a Python callback; uses path, load, reader
engine      how fast packets are named, without a network
path        client – router – server in network namespaces
"""
