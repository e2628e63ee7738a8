"""The yardsticks of ``dse validate``: what is read off live structures for each, and how it is held against the published figure."""

from dse.yardsticks.bench import Bench
from dse.yardsticks.checks import PLANS, Plan
from dse.yardsticks.judging import VERDICTS, Judged, judge

__all__ = ["PLANS", "VERDICTS", "Bench", "Judged", "Plan", "judge"]
