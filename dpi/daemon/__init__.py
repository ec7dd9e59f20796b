"""The daemon behind `dpi run`: it keeps packets, policy and kernel together.

supervise   the parent: watches the worker's heart, kills one that hangs, starts another
worker      one process: queue threads, and an asyncio loop for all the rest
apply       policy files → plan → kernel and engine, as one step that succeeds or is undone
learn       what the loop learnt, into the kernel's sets, before the answer is let go
account     conntrack's counters into flows and records
answers     what the control socket answers
"""
