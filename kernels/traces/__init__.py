"""Page accesses: parsers, folding and filters, generators."""
