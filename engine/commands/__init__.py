"""The command line, one file a group of commands. Each has `add(commands)`, which adds its parsers, and the functions they run.

A command function takes the parsed arguments and returns what `--json` prints (a dict or a list); what a person reads it
prints itself, through `say`. It raises `BadInput` or `Failure` rather than exit.
"""
