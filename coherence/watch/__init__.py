"""A run that another process writes, followed from outside: its samples go to our own monitor.

`finder` finds the files of samples and losses in a folder, `source` reads one of them as it grows, `record`
keeps how far each was read, `follow` feeds the monitor, `sampler` draws from new checkpoints, `tell` reports
a halt, and `commands` starts the user's commands.
"""
