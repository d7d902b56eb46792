"""Background jobs on this machine: start, stop, resume and follow runs. The only package that starts processes."""
