"""A JSON object, or a row of a table, as the samples and the losses that it holds.

`names` has the keys under which trainers write, `shapes` the objects of harnesses and servers that hold
their texts deeper, `unfold` turns any of them into plain rows, `messages` knows chats, `rows` makes samples
and losses.
"""
