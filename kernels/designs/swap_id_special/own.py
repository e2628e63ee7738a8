"""The names of the design: its parameter and its statistic."""

from __future__ import annotations

from kernels.designs.swap_id.own import OWN as SWAP_ID
from kernels.own import Own

OWN = Own("swap_id_special", SWAP_ID)

C_SPECIAL = OWN.parameter("C_SPECIAL", "devices whose pages have IDs, a bit for each device")

S_PINNED = OWN.statistic("S_PINNED", "pages of special devices that got no ID, as none was left: their PTEs hold the entry")
