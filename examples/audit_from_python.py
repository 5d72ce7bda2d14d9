"""Read a run folder from Python: the verdict, where it went wrong, what that cost, the step to go back to.

    python examples/audit_from_python.py

The run is the one whose causal mask was forgotten. Yours is a run folder, or your trainer's logs: `audit`
accepts everything that `coherence audit` accepts. For several runs it returns a `coherence.report.Ranking`,
with a line for each.
"""

from pathlib import Path

from coherence.audit import audit
from coherence.report import Report

RUN = Path(__file__).parents[1] / "fixtures" / "runs" / "leak"
report = audit(RUN)
if not isinstance(report, Report):
    raise SystemExit("several runs: give one of them")
print(f"verdict     {report.diagnosis.action}: {report.headline}")
print(f"went wrong  step {report.first_low_step}: the first low sample")
print(f"halt        step {report.halt_step}: {report.halt_reason}")
print(f"cost        {report.wasted_steps} steps, {report.wasted_seconds or 0:.0f} seconds after the halt")
print(f"go back to  step {report.resume_from}: {report.resume_reason}")
