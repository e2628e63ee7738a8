"""The names of vswap_all's own: a control word."""

from __future__ import annotations

from kernels.designs.vswap_ste.own import OWN as EDITION
from kernels.own import Own

OWN = Own("vswap_all", EDITION)

C_REVERSE = OWN.parameter("C_REVERSE", "1: a slot of a disk has a word that names the virtual slot, 0: it has a bit alone")
