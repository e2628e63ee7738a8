"""swap_id and swap_id_off: a swap ID in the PTE, one xarray to the swap entry."""
