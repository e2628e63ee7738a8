"""The designs, one file each; importing this package registers them (:data:`kernels.state.REGISTRY`)."""

from kernels.designs import direct, swap_desc, swap_id, swap_table, vswap

__all__ = ["direct", "swap_desc", "swap_id", "swap_table", "vswap"]
