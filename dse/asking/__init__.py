"""The open questions of the argument, each a declared study with a verdict."""

from dse.asking.answering import ask, catalogue
from dse.asking.declaring import Question, load, names

__all__ = ["Question", "ask", "catalogue", "load", "names"]
