"""The cleaning steps for datasets, as functions over records: they read no files, and hold no rows.

options      what a person chooses, and the report of what was done
steps        rows through the steps
turns        what is said in a record, whatever its shape
normalise, personal, language
             the steps that look at one text
near, signatures
             near-duplicates and the index behind them
"""

from engine.data.cleaning.near import NearDuplicates
from engine.data.cleaning.options import Cleaning, Example, Report
from engine.data.cleaning.steps import cleaned
from engine.data.cleaning.turns import digest, text

__all__ = ["Cleaning", "Example", "NearDuplicates", "Report", "cleaned", "digest", "text"]
