"""Modules that all other packages use: output, files, limits, options, the machine."""
