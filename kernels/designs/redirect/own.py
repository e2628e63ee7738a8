"""The names of redirect's own: control words, regions, an allocation class, announced functions."""

from __future__ import annotations

from kernels.designs.swap_table.own import OWN as TABLES
from kernels.observing.probe import CLUSTERS
from kernels.own import Own

MAIL = "CACePvbVXQWgcPD-bgK7iDba4NFLo2tT89ZbLOa03maJU4er4ag@mail.gmail.com"

OWN = Own("redirect", TABLES)

C_REVERSE = OWN.parameter("C_REVERSE", "what leads from a slot that has the data to its entry: 0 a scan of the arrays, 1 its table word")

S_ARRAYS = OWN.state("S_ARRAYS", "clusters with an array of redirects")
S_REDIRECTED = OWN.state("S_REDIRECTED", "slots whose data is in a slot of another device")
S_WAITING = OWN.state("S_WAITING", "first slot + 1 of those that are freed once the lock of the entry's cluster is dropped")
S_WAITING_END = OWN.state("S_WAITING_END", "last slot + 1 of those")

S_ARRAYS_PEAK = OWN.statistic("S_ARRAYS_PEAK", "most arrays of redirects")
S_REDIRECTED_PEAK = OWN.statistic("S_REDIRECTED_PEAK", "most slots whose data is elsewhere")

R_REDIRECT = OWN.region("redirect array", "redirect array", guards=CLUSTERS)

A_REDIRECT = OWN.allocation("redirect array", ("redirect array",), source=f"{MAIL}: 4 B a slot of a cluster, 2 KiB of kmalloc-2k")

F_FIND, F_SET, F_FREE = OWN.step("redirect look-up"), OWN.step("redirect set"), OWN.step("redirect free")
