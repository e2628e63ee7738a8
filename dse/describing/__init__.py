"""What designs are and do, read off their own files and traced: ``dse designs`` and ``dse explain``."""
