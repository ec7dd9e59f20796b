"""What a flow is called and what becomes of it: evidence in, labels, rule, mark and events out."""
