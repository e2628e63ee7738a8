"""Ground truth: the model beside unmodified kernels, function by function and row by row."""
