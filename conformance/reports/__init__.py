"""A run as it is read: one document, and a file for each way to render it."""
