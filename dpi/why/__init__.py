"""Why a flow is named so and what the rules make of it: for the daemon's flows as for those of captures.

wanted    which flows are asked for
taught    what DNS and other flows had told of a flow's server
evidence  what a flow shows, and which line of which signature file names that
ruled     the rules of a policy that were tried, and the class that the one which holds leads to
captured  all of it for the flows of captures
"""
