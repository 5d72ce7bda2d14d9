"""The page of an audit: it sees the samples or the runs as they are gone through, and is written at the end.

Source: docs/page.md.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from coherence.audit.build import Texts
from coherence.audit.plan import Job
from coherence.audit.rows import GatedSample
from coherence.readers.lines import file_name
from coherence.report import Ranking, Report
from coherence.show.page.gallery import Gallery
from coherence.show.page.made import Made
from coherence.show.page.page import report_page, runs_page
from coherence.show.page.several import Several


class AuditedPage:
    """Sees an audit while it is made, and writes its page.

    Args:
        paths: what is audited, as a person named it.
        job: the dump, made ready.
        made: where the page comes from.
        served: whether a server hands the page out.
    """

    def __init__(self, paths: Sequence[str], job: Job, made: Made, served: bool = False) -> None:
        lexicon = job.settings.lexicon
        self._gallery, self._several = Gallery(lexicon), Several(lexicon)
        self._paths, self._job, self._made, self._served = paths, job, made, served

    def see(self, judged: GatedSample) -> None:
        """Take a sample of a dump of one run."""
        self._gallery.see(judged)

    def see_run(self, name: str, report: Report, samples: Mapping[str, GatedSample]) -> None:
        """Take a run of a dump of several."""
        self._several.see_run(name, report, samples)

    def written(self, found: Report | Ranking, texts: Texts) -> str:
        """Return the page.

        Args:
            found: by the audit.
            texts: finds the texts of samples.
        """
        if isinstance(found, Report):
            gallery, name = self._gallery, self._job.runs[0].name
            shown = gallery.shown(texts, found.halt, found.resume_from)
            return report_page(found, shown, name, self._made, gallery.curves, self._served)
        runs = self._several.shown(found, texts)
        return runs_page(found, runs, _last_part(self._paths[0]), self._made, self._served)


def _last_part(path: str) -> str:
    """Return the last part of a path as it was given: a page names no folder of the machine above it.

    >>> [_last_part(path) for path in ("/data/runs/", "runs/exp*/samples.jsonl", "s3://bucket/exp7")]
    ['runs', 'runs', 'exp7']
    """
    parts = [part for part in re.split(r"[/\\]", file_name(path)) if part not in ("", ".")]
    known = list(takewhile(lambda part: not set("*?").intersection(part), parts))
    return known[-1] if known else file_name(Path.cwd().name)
