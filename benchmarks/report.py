"""What every benchmark prints: a table, and a JSON file in docs/proof/."""

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

PROOF = Path(__file__).resolve().parent.parent / "docs" / "proof"


def interleaved(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each contender; they take turns, so that a busy minute hurts all alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in times.items()}


def report(name: str | None, claim: str, rows: list[dict], holds: bool) -> None:
    """Print the rows as a table and write them with the claim and whether it held; without a name, only print."""
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
    print(f"\n{claim}: {'holds' if holds else 'DOES NOT HOLD'}")
    for line in [columns, *cells]:
        print("  " + "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)))
    if name is None:
        return
    PROOF.mkdir(exist_ok=True)
    document = {"claim": claim, "holds": holds, "machine": platform.machine(), "rows": rows}
    (PROOF / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
