"""What a policy would do to traffic, without doing it.

outcome       what a plan makes of a flow: class, cache, verdict, DSCP
destinations  what the kernel would have learnt of caches' servers, and so where new connections would go
traffic       the flows, each with its outcome by one plan: of a capture, or of records
changes       the flows whose outcome differs between two plans, summed
"""
