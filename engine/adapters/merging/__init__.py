"""Several adapters of one base as one: the methods, what may be merged, how far the result is from the live combination."""
