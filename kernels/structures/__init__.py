"""Data structures of the kernel that designs are built from."""
