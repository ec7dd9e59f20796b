"""Measurements, each with its baseline in the same run: numbers of two runs on a busy machine do not compare.

path        client – router – server in network namespaces
"""
