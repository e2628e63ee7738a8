"""Yardsticks of ``dse validate``: figures read off live structures, held against the published ones."""

from dse.yardsticks.bench import Bench
from dse.yardsticks.checks import PLANS, Plan
from dse.yardsticks.judging import VERDICTS, Judged, judge

__all__ = ["PLANS", "VERDICTS", "Bench", "Judged", "Plan", "judge"]
