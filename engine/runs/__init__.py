"""The run directory: `var/runs/<id>/`, through which a background job and everybody who watches it talk.

    spec.json      what was asked for, complete enough to run again
    command.txt    the command line that starts the same run
    status.json    how far it is (`Status`)
    events.jsonl   one JSON object a line: step, loss, learning_rate, grad_norm, tokens_per_second, …
    log.txt        everything the job printed
    stop           exists once somebody asked the run to stop
    lock           held by the leading process for its whole life
    samples/  checkpoints/
    launch.json, configs/, ranks/, ranks.lock, logs/    of a run with several processes (`engine.runs.ranks`)

This package knows the files and nothing else; it starts no process.
"""

from engine.runs.run import Run, Status, Stopped, create_run, find_run, list_runs, open_run

__all__ = ["Run", "Status", "Stopped", "create_run", "find_run", "list_runs", "open_run"]
