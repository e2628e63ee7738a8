"""Virtual swap for everything: the swap-table edition without direct entries, on disks with a bitmap."""
