"""What recipes give to TRL's trainers: arguments, batches, callbacks. Imports torch and TRL; recipes import it when they run."""
