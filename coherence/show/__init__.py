"""What was found, put before people and pipelines."""
