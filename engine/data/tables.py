"""Encoded rows on disk: Arrow files, one a shard, that `datasets.load_from_disk` reads memory-mapped as one table.

Knows the table's columns and nothing of where rows come from.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.files import write_json

if TYPE_CHECKING:
    import numpy as np

_ROWS_A_BATCH = 1000  # as `datasets` itself writes; a smaller batch makes finding a row slower, a larger one reading it
# what `datasets` (5.2) writes for Features({"input_ids": List(Value("int32")), "labels": List(Value("int32"))}); it is not
# imported for this, which would take two seconds
_LIST = {"feature": {"dtype": "int32", "_type": "Value"}, "_type": "List"}
_FEATURES = {"input_ids": _LIST, "labels": _LIST}


def write_shard(folder: Path, number: int, ids: "np.ndarray", labels: "np.ndarray", lengths: "np.ndarray") -> None:
    """Write one shard of a table; the file appears whole. A shard of no rows leaves no file.

    Args:
        folder: the table's.
        number: of the shard.
        ids: of all rows, one after the other, int32.
        labels: as many.
        lengths: of the rows, in tokens.
    """
    import numpy as np
    import pyarrow as pa

    if not len(lengths):
        return
    folder.mkdir(exist_ok=True)
    path = _shard(folder, number)
    temporary = path.with_suffix(".writing")
    metadata = {"huggingface": json.dumps({"info": {"features": _FEATURES}})}
    schema = pa.schema([(name, pa.list_(pa.int32())) for name in _FEATURES], metadata=metadata)
    ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    columns = [pa.ListArray.from_arrays(ends, pa.array(values)) for values in (ids, labels)]
    table = pa.Table.from_arrays(columns, schema=schema)
    with pa.OSFile(str(temporary), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        stream.write_table(table, max_chunksize=_ROWS_A_BATCH)
    temporary.replace(path)


def flush_shard(folder: Path, number: int) -> None:
    """Return when a shard, if there is one, is on the disk itself."""
    path = _shard(folder, number)
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def finish_table(folder: Path, fingerprint: str) -> None:
    """Make the shards in a folder one table.

    Args:
        folder: need not exist, where there are no rows.
        fingerprint: what `datasets` keeps apart the results of later steps by; equal for equal content.
    """
    files = sorted(folder.glob("data-*.arrow"))
    if not files:
        return
    # the two files that `Dataset.save_to_disk` writes (datasets 5.2)
    write_json(folder / "dataset_info.json", {"features": _FEATURES})
    state = {
        "_data_files": [{"filename": path.name} for path in files],
        "_fingerprint": fingerprint,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    write_json(folder / "state.json", state)


def _shard(folder: Path, number: int) -> Path:
    return folder / f"data-{number:05}.arrow"
