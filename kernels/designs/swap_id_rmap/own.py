"""The names of the reverse tree: regions, lock, announced functions."""

from __future__ import annotations

from kernels.designs.swap_id.own import OWN as SWAP_ID
from kernels.own import Own

OWN = Own("swap_id_rmap", SWAP_ID)

R_REVERSE = OWN.region("reverse tree", "reverse tree", guards="reverse xa_lock")
R_REVERSE_NODE = OWN.region("reverse node", "reverse tree", guards="reverse xa_lock")

L_REVERSE = OWN.lock("reverse xa_lock", inside="ID xa_lock")

F_REVERSE_LOAD = OWN.step("xa_load (reverse)")
F_REVERSE_STORE = OWN.step("xa_store (reverse)")
F_REVERSE_ERASE = OWN.step("xa_erase (reverse)")
F_REVERSE_FIND = OWN.step("xa_find (reverse)")
