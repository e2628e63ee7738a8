"""Threads that replay demands on one state at once, with locks that exclude (docs/threads.md)."""
