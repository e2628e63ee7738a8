"""swap_id_special: swap IDs for pages of devices that pages move away from, swap entries for all others."""
