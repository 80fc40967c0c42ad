"""What is known of the horizon: future covariates."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tsattn.data.schema import Schema
from tsattn.data.series import TimeSeries, series_from_frame
from tsattn.errors import RowError
from tsattn.pipeline.known_rows import REMEDIES, as_new_data

# Nothing is filled ahead, nor is a row left out.
_REMEDIES = {
    "Fill them with --fill ffill|seasonal, or drop the rows.": "Complete them.",
    "Fill them with --fill ffill|seasonal.": "Complete them.",
    **REMEDIES,
}


def ahead_schema(schema: Schema) -> Schema:
    """Return the schema of rows known ahead: the time, the id and the future covariates."""
    texts = {
        f"{name}={value}": name for name, values in schema.categories.items() for value in values
    }
    kept = {texts[name] for name in schema.future_covariates if name in texts}
    return replace(
        schema,
        targets=(),
        past_covariates=(),
        categories={name: schema.categories[name] for name in kept},
        fill=None,
    )


def write_ahead(
    extended: TimeSeries,
    origins: np.ndarray,
    tables: Sequence[tuple[pd.DataFrame, str]],
    horizon: int,
) -> list[str]:
    """Write the future covariates of the horizon into the appended rows, in place; return notes."""
    schema = extended.schema
    first = len(schema.features) - len(schema.future_covariates)
    only_ahead = ahead_schema(schema)
    notes: list[str] = []
    for table, source in tables:
        try:
            with as_new_data(table, _REMEDIES):
                ahead = series_from_frame(table, only_ahead, source)
        except RowError as error:  # of another table than the data
            raise error.at(f"row {error.row}") from None
        notes += ahead.notes
        for i, series_id in enumerate(ahead.series_ids):
            if series_id not in extended.series_ids:
                continue
            origin = origins[extended.series_ids.index(series_id)]
            rows = slice(int(ahead.borders[i]), int(ahead.borders[i + 1]))
            if schema.time_columns:
                wanted = extended.times[origin : origin + horizon]
                positions = ahead.times[rows].get_indexer(wanted)
            else:  # rows that carry no time follow the last known one
                steps = np.arange(horizon)
                positions = np.where(steps < rows.stop - rows.start, steps, -1)
            found = np.flatnonzero(positions >= 0)
            values = ahead.original(rows, slice(None))[positions[found]]
            extended.values[origin + found, first:] = values - extended.offsets[first:]
    return notes
