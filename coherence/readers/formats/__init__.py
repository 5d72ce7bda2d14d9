"""The formats that trainers write, one module for each; each module ends with its `FORMAT`.

`coherence.readers.recognise` lists them in the order in which they are tried.
"""
