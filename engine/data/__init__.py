"""Datasets: reading files into one canonical record, keeping them in `var/datasets/<name>/`, and preparing them for training.

    records     the three shapes that a row can have
    readers/    one format a file; each turns its lines into records, and what it cannot read into a reason
    registry    import, create, append, read, list, delete
    tokenise    a conversation becomes token ids and labels; the preview shows the very same
    prepare     a dataset becomes a memory-mapped table that training reads

Rows stream everywhere: a dataset is never held in memory whole. Nothing here loads a model or a tokenizer.
"""

from pathlib import Path

SAMPLE = Path(__file__).parent / "samples" / "zorvex.jsonl"
"""Forty conversations about a product that does not exist: what a newcomer teaches a model first."""
