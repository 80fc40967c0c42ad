"""Which column plays which role, decided once on the training data and kept with the model."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from tsattn.config import as_names, listed, require, resolve_columns
from tsattn.data.columns import categories_of, first_text, holds_numbers, row_counters, texts_of
from tsattn.data.csv_format import CsvHints
from tsattn.data.table import Table
from tsattn.data.time_columns import find_time_columns, holds_years, is_numeric
from tsattn.errors import DataError, RowError, UsageError
from tsattn.option_checks import parse_calendar


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns a model reads and what they are to it.

    Features are named columns of numbers; a text column `c` becomes one feature `c=value` for
    each of its values. `calendar` and `freq` are None until the data has settled them.
    """

    time_columns: tuple[str, ...] = ()
    time_format: str | None = None
    id_column: str | None = None
    targets: tuple[str, ...]
    past_covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    with_empty: tuple[str, ...] = ()  # text columns with empty cells, which are none of the texts
    calendar: tuple[str, ...] | None = None
    freq: str | None = None
    time_zone: str | None = None
    local_clock: bool = False  # times are written as a clock in that zone shows them, without it
    fill: str | None = None
    decimal: str | None = None  # the mark of the CSV files that it is made from

    @property
    def csv_hints(self) -> CsvHints:
        """What is known of new CSV files."""
        return CsvHints(id_column=self.id_column, decimal=self.decimal)

    @property
    def features(self) -> tuple[str, ...]:
        """All features in the order of the model's inputs: targets first."""
        return self.targets + self.past_covariates + self.future_covariates

    @property
    def sources(self) -> tuple[tuple[str, str | None], ...]:
        """The column each feature comes from, and the text it stands for, if it stands for one."""
        texts = {
            f"{name}={value}": (name, value)
            for name, values in self.categories.items()
            for value in values
        }
        return tuple(texts.get(name, (name, None)) for name in self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that the features come from."""
        return tuple(dict.fromkeys(column for column, _ in self.sources))

    def alone(self, column: str) -> "Schema":
        """Return the schema of one other column of numbers, on the same grid of times."""
        return replace(
            self,
            targets=(),
            past_covariates=(column,),
            future_covariates=(),
            categories={},
            calendar=(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Schema":
        """Return the schema written by `to_json`."""
        as_tuples: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in content.items()
        }
        as_tuples["categories"] = {
            name: tuple(values) for name, values in content["categories"].items()
        }
        return cls(**as_tuples)


def infer_schema(
    frame: Table,
    *,
    source: str,
    target: str | Sequence[str],
    time_col: str | Sequence[str] = (),
    time_format: str | None = None,
    id_col: str | None = None,
    past_covariates: str | Sequence[str] | None = None,
    future_covariates: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    calendar: str = "auto",
    fill: str | None = None,
) -> tuple[Schema, list[str]]:
    """Decide the role of every column of a table; return the schema and notes.

    Past covariates are, unless named, all columns that have no other role. Row counters are left
    out, with a note, unless they are named.

    Raises:
        UsageError: a named column does not exist or has two roles.
        DataError: a column that is used holds too many different texts.
    """
    available = list(frame.columns)
    roles = {
        "the time": resolve_columns(time_col, available),
        "the series id": _resolve_id(id_col, available),
        "a dropped column": resolve_columns(drop, available),
        "a future covariate": resolve_columns(future_covariates, available),
        "a past covariate": resolve_columns(past_covariates, available),
    }
    named = [name for names in roles.values() for name in names]
    times, ids, _, future, past = roles.values()
    notes = []
    groups = frame[ids[0]] if ids else None
    if not times:
        times = _find_times(frame, named, groups, target)
        notes += _time_notes(times, source)
    counters = row_counters(frame, exclude=[*named, *times], groups=groups)
    targets = _resolve_targets(target, frame, {*named, *times, *counters}, source)
    _check_roles(roles | {"the time": times, "a target": targets})
    counters = [name for name in counters if name not in targets]
    if counters:
        notes.append(f"{source}: row counter {', '.join(map(repr, counters))} left out")
    if past_covariates is None:
        others = {*named, *times, *targets, *counters}
        past = [name for name in available if name not in others]
    categories = {
        name: categories_of(frame[name], name, source)
        for name in past + future
        if not holds_numbers(frame[name])
    }
    schema = Schema(
        time_columns=tuple(times),
        time_format=time_format,
        id_column=ids[0] if ids else None,
        targets=tuple(targets),
        past_covariates=_feature_names(past, categories),
        future_covariates=_feature_names(future, categories),
        categories=categories,
        with_empty=_with_empty(frame, categories) if fill is None else (),
        calendar=parse_calendar(calendar),
        fill=fill,
    )
    _check_features(schema, source)
    return schema, notes


def _find_times(
    frame: Table, named: Sequence[str], groups: pd.Series | None, target: str | Sequence[str]
) -> list[str]:
    """Return the columns of the time, or else a year that counts the rows; [] if there is none."""
    times = find_time_columns(frame, exclude=named)
    if times:
        return times
    counters = row_counters(frame, exclude=[*named, *as_names(target)], groups=groups)
    return [name for name in counters if holds_years(frame[name], name)][:1]


def _with_empty(frame: Table, columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in columns if (texts_of(frame[name]) == "").any())


def _time_notes(times: Sequence[str], source: str) -> list[str]:
    if not times:
        return [f"{source}: no time column found; rows are numbered. Name one with --time-col"]
    if len(times) > 1:
        return [f"{source}: columns {', '.join(times)} make the time together"]
    return []


def _resolve_id(id_col: str | None, available: list[str]) -> list[str]:
    ids = resolve_columns(id_col, available)
    if len(ids) > 1:
        raise UsageError(
            f"One column tells series apart. Received: id_col={id_col!r}. "
            "Join the columns to one in the data and name that."
        )
    return ids


def _resolve_targets(
    target: str | Sequence[str], frame: Table, taken: set[str], source: str
) -> list[str]:
    """Return the targets; `all` means every column of numbers without another role."""
    available = list(frame.columns)
    if as_names(target) == ["all"] and "all" not in available:
        targets = [name for name in available if name not in taken and is_numeric(frame[name])]
    else:
        _check_all_alone(target, available)
        targets = resolve_columns(target, available)
    if not targets:
        raise UsageError(
            f"{source}: a column to forecast must be named. Received: target={target!r}. "
            f"Use --target with one of {listed(available)}, or all."
        )
    for name in targets:
        if name not in taken and not holds_numbers(frame[name], may_be_few=True):
            row, text = first_text(frame[name])
            raise RowError(
                f"{source}: a target must be a column of numbers. Received: {name!r} with {text!r} "
                "at ",
                row,
                ". Correct the column or name another target.",
            )
    return targets


def _check_all_alone(target: str | Sequence[str], available: list[str]) -> None:
    """Raise a UsageError for `all` beside the names of columns."""
    unknown = [name for name in as_names(target) if name not in available]
    if "all" in [part.strip() for name in unknown for part in name.split(",")]:
        require(
            "all" in available,
            "The target `all` stands alone.",
            f"target={','.join(as_names(target))}",
            "Give --target all, or name the columns.",
        )


def _check_roles(roles: dict[str, list[str]]) -> None:
    """Raise a UsageError for a column that has two roles."""
    seen: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if name in seen:
                raise UsageError(
                    f"A column has one role. Received: {name!r} as {seen[name]} and as {role}. "
                    "Name it once."
                )
            seen[name] = role


def _check_features(schema: Schema, source: str) -> None:
    """Raise a DataError where the name of a category is also that of a column."""
    features = schema.features
    if len(set(features)) < len(features):
        repeated = next(name for name in features if features.count(name) > 1)
        raise DataError(
            f"{source}: features must have different names. Received: {repeated!r} as a column and "
            "as a category of another. Rename the column, or leave it out with --drop."
        )


def _feature_names(
    columns: Sequence[str], categories: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    names: list[str] = []
    for column in columns:
        names += [f"{column}={value}" for value in categories.get(column, ())] or [column]
    return tuple(names)
