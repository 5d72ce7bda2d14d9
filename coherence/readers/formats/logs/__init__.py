"""Training logs: what a trainer prints, losses and samples between each other, as a file.

`prefix` strips what loggers write before a line, `lines` tells step and loss of a line, `samples` the samples
between them, `reader` makes the format of it.
"""
