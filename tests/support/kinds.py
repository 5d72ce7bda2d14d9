"""Random code, data and log lines, like those of models of such text, without anybody's words."""

import re
from random import Random

# fmt: off
SLOTS = {
    "noun": [
        "account", "anchor", "basket", "branch", "buffer", "cache", "channel", "client", "column", "cursor",
        "device", "digest", "driver", "entry", "event", "filter", "folder", "frame", "grid", "handle",
        "header", "invoice", "job", "label", "layer", "leaf", "ledger", "limit", "lock", "marker", "member",
        "message", "meter", "node", "offset", "order", "packet", "page", "parcel", "path", "peer", "pixel",
        "pool", "port", "prefix", "queue", "range", "reader", "record", "region", "report", "ring", "route",
        "row", "sample", "schema", "score", "sensor", "session", "shard", "socket", "stage", "stamp",
        "store", "stream", "table", "target", "task", "ticket", "token", "track", "tree", "user", "vector",
        "vertex", "view", "volume", "weight", "widget", "window", "worker", "zone",
    ],
    "verb": [
        "add", "apply", "attach", "bind", "build", "check", "clear", "collect", "copy", "count", "cut",
        "decode", "drop", "emit", "encode", "fetch", "fill", "find", "fold", "group", "join", "list",
        "load", "mark", "match", "merge", "move", "open", "pack", "parse", "pick", "plan", "push", "read",
        "reset", "resolve", "run", "save", "scan", "select", "send", "sort", "split", "start", "stop",
        "swap", "sync", "trim", "update", "verify", "wait", "walk", "wrap", "write",
    ],
    "town": [
        "Aldborg", "Brenna", "Corvin", "Dunholm", "Elster", "Fenwick", "Garda", "Hollum", "Istra", "Jarrow",
        "Kelso", "Lund", "Marlow", "Norden", "Oslin",
    ],
    "level": [
        "INFO", "DEBUG", "WARN", "ERROR",
    ],
    "method": [
        "GET", "POST",
    ],
    "status": [
        "200", "304", "404", "500",
    ],
}
# fmt: on
"""The words for each slot, by name; a slot of a digit n is a number of n digits."""

KINDS = {
    "code": {
        "Python": [
            "def <verb>_<noun>(self, <noun>, <noun>=None):\n    return self.<noun>.<verb>(<noun>)\n\n",
            "def <verb>(<noun>):\n    for <noun> in <noun>.<noun>s:\n        <verb>_<noun>(<noun>, <2>)\n\n",
            "class <noun>(<noun>):\n    <noun> = <3>\n\n    def <verb>(self):\n        self.<verb>()\n\n",
            "if not <noun>:\n    raise ValueError('the <noun> is <verb>ed')\n",
            "with open(<noun>_path) as file:\n    <noun>s = file.read().split('<noun>')\n",
            "log.debug('%s of %d', <noun>.<noun>, len(<noun>s))\n<noun> = None\n\n",
            "<noun>s = [<verb>(each) for each in <noun>s if each.<noun> > <2>]\n",
        ],
        "C": [
            "static int <noun>_<verb>(struct <noun> *self)\n{\n    return <verb>(self-><noun>, <2>);\n}\n\n",
            "    if (self-><noun> == NULL) {\n        goto <verb>;\n    }\n",
            "    memcpy(<noun>, self-><noun>, <3> * sizeof(*<noun>));\n",
            "    for (size_t i = 0; i < <noun>_count; i++)\n        <verb>_<noun>(&<noun>[i]);\n",
            "    unsigned <noun> = <verb>_<noun>(self, 0x<3>);\n",
            '    fprintf(stderr, "<verb> <noun>: %s\\n", strerror(self-><noun>));\n',
        ],
    },
    "data": {
        "JSON": [
            '{"id": <5>, "kind": "<noun>", "town": "<town>", "size": <2>.<2>, "tags": ["<noun>", "<noun>"]}\n'
        ],
        "CSV": ["20<2>-0<1>-1<1>,<town>,<noun> <noun>,<4>,<1>.<3>\n"],
        "SQL": ["INSERT INTO orders (id, item, town, price) VALUES (<5>, '<noun>', '<town>', <3>.<2>);\n"],
        "XML": [
            '<item id="<5>">\n  <name><noun> <noun></name>\n  <at><town></at>\n  <sum><3></sum>\n</item>\n'
        ],
    },
    "logs": {
        "a server": [
            "1<2>.<2>.1<2>.<2> - - [1<1>/Mar/2031:1<1>:<2>:<2> +0000] "
            '"<method> /<noun>/<noun>?<noun>=<3> HTTP/1.1" <status> <5>\n'
        ],
        "a program": [
            "2031-03-1<1>T1<1>:<2>:<2>.<3>Z <level> [<noun>-<1>] <verb> <noun> <5> in <3> ms\n",
            "2031-03-1<1>T1<1>:<2>:<2>.<3>Z <level> [<noun>-<1>] could not <verb> <noun>: <noun> timed out\n",
            "2031-03-1<1>T1<1>:<2>:<2>.<3>Z <level> [<noun>-<1>] user=<noun><2> <noun>=<5> <noun>=<town>\n",
            "2031-03-1<1>T1<1>:<2>:<2>.<3>Z <level> [<noun>-<1>] <noun>.example.org:<4> <verb>ed\n",
        ],
    },
}
"""The kinds of text for each profile that comes with the package, and the parts they are made of."""


RECORDS = [
    '{"status": "ok", "error": null, "asked": {"kind": "<noun>", "from": "<town>", "tries": [1, 2]}, '
    '"found": {"name": "<noun>", "unit": null, "size": <3>}}\\n'
]
"""Records that are mostly frame, so that samples of them share more than half of what they could."""


def written(kind: list[str], characters: int, seed: object = 0) -> str:
    """Return a text of a kind, of so many characters."""
    dice = Random(str(seed))  # noqa: S311 - it writes text, not secrets

    def fill(slot: re.Match[str]) -> str:
        name = slot[1]
        return dice.choice(SLOTS[name]) if name in SLOTS else "".join(dice.choices("0123456789", k=int(name)))

    parts: list[str] = []
    while sum(map(len, parts)) < characters:
        parts.append(re.sub(rf"<({'|'.join(SLOTS)}|\d)>", fill, dice.choice(kind)))
    return "".join(parts)
