"""`inspect`: what is in a table, and whether `fit` would take it."""

from dataclasses import asdict

from tsattn.config import SCHEMA_OPTIONS, FitOptions
from tsattn.data.calendar import check_calendar
from tsattn.data.csv_format import CsvHints
from tsattn.data.inspection import Inspection, inspect_table
from tsattn.option_checks import check_options, parse_calendar
from tsattn.pipeline.tables import Data, as_table


def inspect(data: Data, options: FitOptions) -> Inspection:
    """Return what is in a table, and every reason for which `fit` would refuse it.

    Raises:
        UsageError: an option is wrong, or names a column that does not exist.
        DataError: the file cannot be read as a table.
    """
    check_options(options)
    frame, source, notes = as_table(data, CsvHints(id_column=options.id_col))
    given = asdict(options)
    inspection = inspect_table(
        frame,
        source=source,
        split=options.split,
        lookback=options.lookback,
        horizon=options.horizon,
        score_filled=options.score_filled,
        notes=notes,
        **{name: given[name] for name in SCHEMA_OPTIONS},
    )
    if inspection.first_time is not None:  # the times could be read
        check_calendar(parse_calendar(options.calendar) or (), inspection.frequency)
    return inspection
