"""The ground floor, on which every room stands: output, files, limits, options, the machine."""
