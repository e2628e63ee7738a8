"""Virtual swap, swap-table edition: a device of virtual slots, whose clusters are made on demand, beside ordinary swap devices."""
