"""The stores of experiment trackers: the databases and logs in which they keep what is logged."""
