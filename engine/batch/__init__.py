"""One prompt a row: a file of rows goes through a chat model, and comes back with a column of replies.

    spec        what a batch is asked to do
    tables      the rows of a file: CSV, TSV, JSON, XLSX, Parquet
    prompts     a row becomes messages; the preview; what is wrong with a spec before anything runs
    estimate    what a batch will take
    replies     what becomes of a reply: JSON mode, and replies that go round in circles
    results     the run's results on disk: appended as they come, repaired, counted, read
    generation  the run itself: rows through the model's scheduler, a bounded number at a time
    writing     the final file, in the order of the rows
    scoring     exact match, BLEU, ROUGE, a reward model's judgement
    onward      results become a dataset, or go to the labelling desk
    sample      a file to try at once

Files are streamed: neither rows nor replies are ever in memory whole. Starting and resuming is `engine.jobs.batch`'s business.
"""
