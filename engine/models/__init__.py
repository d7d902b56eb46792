"""Chat models: which there are (`catalog`), how they get into memory (`loader`), and who may use them (`host`)."""
