"""What `coherence score` does, once its options are read.

It is asked for one text at a time, so it imports nothing that an audit needs and it does not.
"""

import json
import sys
from argparse import Namespace
from importlib import import_module

from coherence.scoring.loop import find_loop
from coherence.scoring.profile import SCALES, Profile
from coherence.scoring.scores import score
from coherence.show.say import say
from coherence.show.terminal_score import score_lines


def run(options: Namespace) -> int:
    """Score one text."""
    output = None if options.json is None else import_module("coherence.show.output")
    if output:
        output.check_targets(options.json)
    # What is cut off in the middle of a character, by `head -c` for instance, is still read.
    given = sys.stdin.buffer.read() if options.text == "-" else options.text.encode(errors="replace")
    text = given.decode(errors="replace")
    scores = score(text, options.prompt, profile=Profile.load(options.profile))
    loop = find_loop(text, options.prompt)
    for line, style in score_lines(scores, loop):
        say(line, style)
    if output:
        found = {
            "format": 1,
            "scores": dict(zip(SCALES, scores.values, strict=True)),
            "tokens": scores.tokens,
            "low": scores.low(),
            "loop": loop._asdict() if loop else None,
        }
        output.write_json(options.json, json.dumps(found, indent=2))
    return 0
