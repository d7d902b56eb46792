"""Datasets: files in, `var/datasets/<name>/`, cleaned, changed, and prepared for training.

    records       the three shapes that a row can have
    readers/      files become records: how rows lie in a file, and what a row means
    writers/      records become files
    importing     files become a dataset
    rows          how a dataset's rows lie on disk, and what a version is
    registry      list, create, append, merge, read, search, delete
    editing       changes by hand; each makes a version
    cleaning/     the cleaning steps; `clean` takes a dataset through them
    compare       what differs between two versions
    tokenise      a conversation becomes token ids and labels; the preview shows the very same
    batch_encode  the same for many at once, by way of `outline`
    prepare       a dataset becomes a memory-mapped table that training reads (`prepared`), in `shards`, with a `split`
    specs         what a background run about a dataset is asked to do

Rows stream everywhere: a dataset is never held in memory whole. Nothing here loads a model or a tokenizer.
"""

from pathlib import Path

SAMPLE = Path(__file__).parent / "samples" / "zorvex.jsonl"
"""Forty conversations about a product that does not exist: what a newcomer teaches a model first."""
