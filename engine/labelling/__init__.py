"""The labelling desk: people write the replies that a model shall learn, each prompt shared out to the right number of them.

    schema     a queue, its tasks, and each person's work on a task; as records and as tables
    queues     create, find, change, delete a queue
    sources    prompts from text, files, datasets and chat logs
    tasks      prompts become a queue's tasks, none twice
    desk       take a task, keep, save or skip it, take it back
    drafting   a model writes the first draft
    review     a second person accepts, edits or returns a label
    progress   how far a queue is, and who did what
    export     finished labels become rows of a dataset
    sample     a queue to try the desk with
    places     the lock and the counting that desk and review share

Every change first takes the lock of its queue, so that threads, processes and servers come one after the other. Nothing here
keeps anything in memory between two calls.
"""
