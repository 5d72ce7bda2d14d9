"""A run that another process writes, followed from outside: what it samples goes to a monitor of our own.

`finder` says which files of a folder hold what, `source` reads one of them as it grows, `record` keeps how
far was read, `follow` feeds the monitor, `sampler` draws from new checkpoints, `tell` says that a run was
halted, and `commands` starts what the user gave for that.
"""
