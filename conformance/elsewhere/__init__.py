"""Kernels judged elsewhere: many of them, by many processes and machines, through any executor."""
