"""Training recipes, one readable file each, and the typed specs they take. Recipes write to a run directory and start no process."""
