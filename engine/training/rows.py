"""A look at tokenised rows before they are trained on: what the model cannot take is named by its row."""

from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from datasets import Dataset


def lengths(rows: "Dataset") -> list[int]:
    """Tokens of each row, read without turning the rows into Python lists."""
    import pyarrow.compute as pc

    return pc.list_value_length(rows.data.column("input_ids")).to_pylist()  # pyright: ignore[reportAttributeAccessIssue]


def refuse_unknown_tokens(rows: "Dataset", vocabulary: int) -> None:
    """Refuse rows with tokens that the model has no embedding for: its tokenizer is another model's.

    Raises:
        BadInput: naming the first such row.
    """
    import pyarrow.compute as pc

    start = 0
    for chunk in rows.data.column("input_ids").chunks:
        highest = pc.max(chunk.flatten()).as_py()  # pyright: ignore[reportAttributeAccessIssue]
        if highest is not None and highest >= vocabulary:
            row = next(number for number, ids in enumerate(chunk.to_pylist()) if max(ids, default=0) >= vocabulary)
            raise BadInput(
                "Row {row} of the prepared dataset has the token {token}, but the model knows only {known}: "
                "its tokenizer belongs to another model.",
                row=start + row + 1,
                token=highest,
                known=vocabulary,
            )
        start += len(chunk)
