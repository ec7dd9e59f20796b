"""The policy's rules; see rules.pyx."""
from dpi.match.rule_table cimport RuleTable


cdef class Rules:
    cdef RuleTable table
