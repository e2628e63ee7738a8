"""swap_desc: the index of a descriptor in the PTE, one xarray to descriptors."""
