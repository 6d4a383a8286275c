"""What every room may use: errors, files, plug-ins, compiled kernels; it knows none of them."""
