"""The kernel's own Python source: which of its lines ran, and what they name."""
