"""Who hands orders to processes and machines: each file is one kind of executor."""
