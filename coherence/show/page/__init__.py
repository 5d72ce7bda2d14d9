"""The report as a page, of a run that is over or of one that goes on."""
