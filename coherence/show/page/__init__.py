"""The report as a page: of a run that is over, one file; of one that goes on, a server.

`page` writes it, `gallery` chooses the samples, `marks` finds what repeats in one; `follow` reads a run
folder as it grows, `live_report` keeps what is shown of it, `server` answers. `check_page` writes the page of
a check. Template, style sheet and script lie beside them.
"""
