"""Ways to write a report to a file: a further one is a new file here, and an option of `conformance run`."""
