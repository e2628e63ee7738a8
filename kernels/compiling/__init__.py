"""The compilation of kernels: option sets, dispatch by type, flat states, linking, the cache that sees edits."""
