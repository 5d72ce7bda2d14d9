"""What trainers write, a module a format; each ends with its `FORMAT`.

`coherence.readers.recognise` lists them in the order in which they are tried.
"""
