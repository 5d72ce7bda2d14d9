"""Against a snapshot: whether a checkpoint writes as well as the last one."""
