"""What every room stands on: output, files, limits, the machine."""
