"""What is on disk: rows in, the journal of results, the output file.

The rule: nothing here grows with the number of rows but the journal's compact index, and a result that `record`
returned for is found again, whatever happens to the process.
"""

from __future__ import annotations

from brim.storage.export import ExportSummary, export
from brim.storage.inputs import Survey, check_inputs, read_rows, survey_rows
from brim.storage.journal import Journal, Recorded
from brim.storage.results import result_line
from brim.storage.rows import RowShape

__all__ = [
    "ExportSummary",
    "Journal",
    "Recorded",
    "RowShape",
    "Survey",
    "check_inputs",
    "export",
    "read_rows",
    "result_line",
    "survey_rows",
]
