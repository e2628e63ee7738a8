"""Records of real kernels: fetched, booted in qemu, counted, and stored as one more column beside the model."""

from dse.linux.experiments import EXPERIMENTS
from dse.linux.fetching import get
from dse.linux.recording import Sizes, record
from dse.linux.records import Record, load, overview, shipped, stored

__all__ = ["EXPERIMENTS", "Record", "Sizes", "get", "load", "overview", "record", "shipped", "stored"]
