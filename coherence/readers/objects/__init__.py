"""Reads the samples and the losses in a JSON object or in a row of a table.

`names` has the keys that trainers use, `shapes` the objects of harnesses and servers that hold their texts
deeper, `unfold` turns any of them into plain rows, `messages` knows chats, `rows` makes samples and losses.
`plain` makes the samples of rows that need none of that, in a fraction of the time.
"""
