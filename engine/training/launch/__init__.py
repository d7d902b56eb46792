"""From a spec to the processes of a training: DeepSpeed's and accelerate's configuration files, and the launcher's command."""
