"""Runs on the machines of a Ray cluster: sent as Ray Jobs, followed from here, their files brought back into the run directory."""
