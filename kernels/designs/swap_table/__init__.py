"""The swap tables of Linux 6.18 to 7.2, phases I to IV."""
