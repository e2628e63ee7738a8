"""The open questions of the argument, each a declared study with a verdict."""

from dse.asking.answering import ask, catalogue
from dse.asking.declaring import load, names
from dse.asking.studies import Question

__all__ = ["Question", "ask", "catalogue", "load", "names"]
