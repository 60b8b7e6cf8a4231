"""The hot loops: numba functions, arrays in and arrays out."""
