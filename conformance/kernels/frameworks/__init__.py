"""The frameworks, a file each: all that is known of one stands in its file, and nothing names it elsewhere."""
