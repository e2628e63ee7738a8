"""swap_id_rmap: a swap ID in the PTE, one xarray to the swap entry and one back."""
