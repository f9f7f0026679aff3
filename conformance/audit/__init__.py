"""The suite measured: every mutant must be caught, no right kernel accused."""
