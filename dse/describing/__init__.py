"""Descriptions of designs, read off their files and traced: ``dse designs`` and ``dse explain``."""
