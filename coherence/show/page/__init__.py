"""The report as a page: of a run that has ended, one file; of a live one, a server.

`page` writes it, `gallery` chooses the samples, `marks` finds what repeats in one; `follow` reads a run
folder as it grows, `live_report` keeps what is shown of it, `server` answers. `check_page` writes the page of
a check. Template, style sheet and scripts are next to them.
"""
