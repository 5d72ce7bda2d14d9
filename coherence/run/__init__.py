"""In the training loop: the monitor, and the folder that it writes."""
