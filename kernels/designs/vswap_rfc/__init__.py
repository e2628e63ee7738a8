"""vswap_rfc1 and vswap_rfc2: a virtual slot in the PTE, a descriptor a page, one xarray for everything (April 2025)."""
