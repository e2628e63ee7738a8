"""zram: a compressed block device as the swap device in front of the disks, with a backing device behind it."""
