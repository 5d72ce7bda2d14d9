"""What trainers write, read: one file a format, each yields records with their file and line."""
