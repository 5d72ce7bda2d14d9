"""Over a dump: what was written is scored, put in order, and replayed."""
