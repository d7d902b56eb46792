"""Rows of every format, files made of them by other means than our writers, and short ways to read them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.data.readers import (
    Reading,
    detect,
)

USER, REPLY = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
ROWS: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "hi", "input": "", "output": "hello"},
    "belle": {"input": "hi", "target": "hello"},
    "sharegpt": {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
    "messages": {"messages": [USER, REPLY]},
    "prompt-completion": {"prompt": "hi", "completion": "hello"},
    "preference": {"prompt": "hi", "chosen": "hello", "rejected": "go away"},
    "unpaired": {"prompt": "hi", "completion": "hello", "label": True},
    "hh": {"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"},
    "argilla": {
        "fields": {"prompt": "hi", "response1": "hello", "response2": "go away"},
        "responses": {"preference": [{"value": ["response1", "response2"], "user_id": "u"}]},
    },
    "pairwise": {"prompt": "hi", "response_a": "go away", "response_b": "hello", "winner": "b"},
    "scored": {"prompt": "hi", "response": "hello", "rating": 5},
}
CHINESE = {"instruction": "为什么天是蓝的？", "input": "", "output": "因为瑞利散射：短波光散射得更多。"}
DAMAGED = "the file is damaged from here on"


def read(path: Path, format: str = "auto", **columns: str) -> list[Any]:
    return list(Reading(path, detect(path, format, columns)))


def records(path: Path, format: str = "auto", **columns: str) -> list[Any]:
    return [record for _, record in read(path, format, **columns)]


def reasons(lines: list[Any]) -> dict[int, str]:
    return {number: record for number, record in lines if isinstance(record, str)}


def texts(record: Any) -> list[str]:
    return [message.content for message in record.messages]


def as_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows in the container that the name says, made by other means than our writers."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writerow(rows[0])
            cells = [[v if isinstance(v, str) else json.dumps(v) for v in row.values()] for row in rows]
            table.writerows(cells)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=2), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def parquet_bytes(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, pa.schema({"messages": pa.string()})), file)
    return file.getvalue()
