"""What the files of a model directory must hold; checked before a network is built from them."""

import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from tsattn.baselines import LinearBaseline
from tsattn.config import CALENDAR_FIELDS, FILLS, NO_LEVEL, FitOptions, option_names
from tsattn.data.calendar import calendar_names
from tsattn.data.frequency import step_seconds
from tsattn.data.scaling import Scaler
from tsattn.data.schema import Schema
from tsattn.data.series_scales import SeriesScales
from tsattn.errors import ModelDirectoryError, UsageError
from tsattn.intervals import Calibration, num_measures
from tsattn.option_checks import check_options, parse_levels, parse_quantile_levels
from tsattn.segments import horizon_parts

# Options that the first models had no choice of, as they were built.
_BEFORE_THESE = {
    "encoder": "joint", "linear_path": "none", "level": NO_LEVEL, "members": 1, "views": 1,
}  # fmt: skip
_LARGEST_CONFIG = 10_000_000  # bytes of the description of a network
_LONGEST = 300  # characters of a path or of a library's message that are shown
_LAYER_BYTES = 1000  # what a layer takes in model.keras at least, beside its weights
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # RecursionError among them
    TypeError,
    UsageError,
    UserWarning,  # of Keras: weights that it leaves out
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def altered(path: Path, what: str) -> ModelDirectoryError:
    """Return the error for a file that is not as it was written."""
    return ModelDirectoryError(
        f"A model directory must be as it was written. Received: {_one_line(path)}: "
        f"{_one_line(what)}. Restore the directory from a copy, or fit the model again."
    )


def _one_line(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever the content of a file causes while it is read into a ModelDirectoryError."""
    try:
        yield
    except _UNREADABLE as error:
        raise altered(path, f"it cannot be read ({error or type(error).__name__})") from None


def checked_options(content: Mapping[str, Any]) -> FitOptions:
    """Return the options of a `config.json`; raise ValueError or UsageError for a wrong one."""
    known = set(option_names())
    given = {**_BEFORE_THESE, **content["options"]}
    options = FitOptions(**{k: v for k, v in given.items() if k in known})
    check_options(options)
    for name in (
        "lookback",
        "horizon",
        "encoder",
        "attention",
        "linear_path",
        "units",
        "members",
        "views",
    ):
        _require(getattr(options, name) is not None, f"{name} is missing")
    is_placed = options.attention == "none" or options.placement is not None
    _require(is_placed, "placement is missing")
    needs_segment = options.encoder == "per-feature"
    _require(not needs_segment or options.segment is not None, "segment is missing")
    _require(isinstance(options.score_filled, bool), "score_filled is not true or false")
    return options


def checked_data(
    content: Mapping[str, Any], schema: Schema
) -> tuple[str | None, str | None, dict[str, str] | None]:
    """Return path, hash and last times of the training data, as `config.json` tells them."""
    path, sha256, seen_until = (content["data"][name] for name in ("path", "sha256", "seen_until"))
    for name, value in (("path", path), ("sha256", sha256)):
        _require(value is None or isinstance(value, str), f"{name} is not a text")
    _require(seen_until is None or isinstance(seen_until, dict), "seen_until is not a table")
    for text in (seen_until or {}).values():
        _require(isinstance(text, str), "seen_until holds no texts")
        if schema.freq is None:
            int(text)
        else:
            time = pd.Timestamp(text)
            is_time = not pd.isna(time) and (time.tz is None) == (schema.time_zone is None)
            _require(is_time, f"seen_until={text!r} is not a time of the series")
    return path, sha256, seen_until


def checked_schema(content: dict[str, Any]) -> Schema:
    """Return the schema of a `schema.json`; raise an error of `reading` for a wrong one."""
    for values in content["categories"].values():
        _require(isinstance(values, list), "categories holds no lists")
    schema = Schema.from_json(content)
    names = (
        "time_columns", "targets", "past_covariates", "future_covariates", "calendar",
        "with_empty",
    )  # fmt: skip
    lists = {name: getattr(schema, name) for name in names}
    for name, values in {**lists, **schema.categories}.items():
        is_texts = isinstance(values, tuple) and all(isinstance(value, str) for value in values)
        _require(is_texts, f"{name} is not a list of texts")
    for name in ("time_format", "id_column", "freq", "time_zone"):
        value = getattr(schema, name)
        _require(value is None or isinstance(value, str), f"{name} is not a text")
    features, fields = schema.features, schema.calendar or ()
    is_clock = schema.local_clock is True and schema.time_zone is not None
    _require(schema.local_clock is False or is_clock, "local_clock needs a time zone")
    _require(schema.decimal in (None, ".", ","), f"decimal={schema.decimal!r} is unknown")
    _require(len(schema.targets) > 0, "it has no targets")
    _require(len(set(features)) == len(features), "a feature is named twice")
    _require(schema.fill in (None, *FILLS), f"fill={schema.fill!r} is unknown")
    _require(
        set(fields) <= set(CALENDAR_FIELDS) and len(set(fields)) == len(fields),
        "calendar has an unknown field",
    )
    _require(schema.freq is not None or not fields, "calendar needs freq")
    if schema.freq is not None:
        _require(to_offset(schema.freq).n > 0 and step_seconds(schema.freq) > 0, "freq is no step")
    if schema.time_zone is not None:
        pd.Timestamp("2024-01-01", tz=schema.time_zone)
    return schema


def checked_scaler(content: dict[str, Any], schema: Schema) -> tuple[Scaler, np.ndarray]:
    """Return the scaler of a `scaler.json` and the seasonal-naive MAE (targets,)."""
    for name in ("features", "mean", "std", "constant", "drifting", "seasonal_naive_mae"):
        _require(isinstance(content[name], list), f"{name} is not a list")
    if "series" in content:
        for name in ("series_ids", "mean", "std"):
            _require(isinstance(content["series"][name], list), f"{name} of series is not a list")
    scaler = Scaler.from_json(content)
    _require(scaler.features == schema.features, "its features are not those of the schema")
    for kind, names in (("constant", scaler.constant), ("drifting", scaler.drifting)):
        _require(set(names) <= set(schema.features), f"{kind} names no feature")
    for name, values in (("mean", scaler.mean), ("std", scaler.std)):
        is_vector = values.shape == (len(schema.features),)
        _require(is_vector and bool(np.isfinite(values).all()), f"{name} is not a number for each")
    _require(bool((scaler.std > 0).all()), "std is not positive")
    if scaler.series is not None:
        _require(schema.id_column is not None, "scales of series are of a panel only")
        _check_series_scales(scaler.series, len(schema.targets))
    naive_mae = np.array(content["seasonal_naive_mae"], dtype=np.float64)  # NaN where null
    is_vector = naive_mae.shape == (len(schema.targets),)
    is_error = is_vector and not (np.isinf(naive_mae) | (naive_mae < 0)).any()
    _require(is_error, "seasonal_naive_mae is not an error for each target")
    return scaler, naive_mae


def _check_series_scales(scales: SeriesScales, num_targets: int) -> None:
    ids = scales.series_ids
    _require(all(isinstance(name, str) for name in ids), "an id of a series is no text")
    _require(0 < len(set(ids)) == len(ids), "a series is named twice, or none is")
    for values in (scales.mean, scales.std):
        is_table = values.shape == (len(ids), num_targets)
        _require(is_table and bool(np.isfinite(values).all()), "a scale of a series is no number")
    _require(bool((scales.std > 0).all()), "the std of a series is not positive")


def checked_linear(path: Path, options: FitOptions, schema: Schema) -> LinearBaseline:
    """Return the linear baseline of a `linear.npz`, none of which is unpacked if it is too big."""
    lookback, horizon = options.lookback or 0, options.horizon or 0
    num_calendar_features = len(calendar_names(schema.calendar or ()))
    known = horizon * len(schema.future_covariates) + num_calendar_features
    regressors = {
        "own": lookback,
        "own and known": lookback + known,
        "all": lookback * len(schema.features) + known,
    }
    largest = len(schema.targets) * (max(regressors.values()) + 1) * horizon
    with zipfile.ZipFile(path) as archive:
        num_bytes = sum(part.file_size for part in archive.infolist())
    _require(num_bytes <= 4 * largest + 4096, "it is too large")
    with np.load(path) as arrays:
        linear = LinearBaseline(
            inputs=str(arrays["inputs"]),
            weights=arrays["weights"],
            num_calendar_features=int(arrays["num_calendar_features"]),
        )
    _require(linear.inputs in regressors, f"inputs={linear.inputs!r} is unknown")
    shape = (len(schema.targets), regressors[linear.inputs] + 1, horizon)
    _require(linear.weights.shape == shape, f"weights have shape {linear.weights.shape}")
    is_number = linear.weights.dtype == np.float32 and np.isfinite(linear.weights).all()
    _require(bool(is_number), "weights are not numbers")
    _require(linear.num_calendar_features == num_calendar_features, "num_calendar_features differ")
    return linear


def checked_linear_shares(path: Path, options: FitOptions, schema: Schema) -> np.ndarray:
    """Return the share (targets,) of the linear path, of a `linear.npz` that was checked."""
    with np.load(path) as arrays:
        shares: np.ndarray = arrays["shares"]
    _require(shares.shape == (len(schema.targets),), f"shares have shape {shares.shape}")
    is_share = shares.dtype.kind == "f" and bool(((shares >= 0) & (shares <= 1)).all())
    _require(is_share, "shares are not between 0 and 1")
    _require(options.linear_path == "blend" or not shares.any(), "there is no linear path to share")
    return shares


def checked_calibration(
    content: Mapping[str, Any], options: FitOptions, schema: Schema
) -> Calibration:
    """Return the calibration of a `calibration.json`; raise a ValueError for a wrong one."""
    for name in ("levels", "radii", "typical"):
        _require(isinstance(content[name], list), f"{name} is not a list")
    for name in ("seasonality", "num_windows"):
        _require(type(content[name]) is int and content[name] >= 1, f"{name} is not a count")
    season, num_targets = content["seasonality"], len(schema.targets)
    calibration = Calibration(
        levels=parse_levels(content["levels"]),
        radii=np.array(content["radii"], dtype=np.float64),
        typical=np.array(content["typical"], dtype=np.float64),
        seasonality=season,
        num_windows=content["num_windows"],
        quantile_levels=parse_quantile_levels(options),
    )
    levels, radii, typical = calibration.levels, calibration.radii, calibration.typical
    _require(0 < len(levels) == len(content["levels"]), "levels are none, or are given twice")
    _require(levels == tuple(content["levels"]), "levels do not rise")
    _require(radii.shape == (len(levels), options.horizon, num_targets), "radii are of other sizes")
    measures = (num_measures(options.lookback or 0, season), num_targets)
    _require(typical.shape == measures, "typical is of another size")
    _require(bool(np.isfinite(radii).all()), "radii are not finite numbers")
    _require(bool(np.isfinite(typical).all() and (typical > 0).all()), "typical is not positive")
    return calibration


def check_network_size(path: Path, options: FitOptions, schema: Schema) -> None:
    """Raise a ValueError if the file of the weights cannot hold those of the network.

    What is counted is fewer than the weights there are, and at one byte each.
    """
    lookback, horizon, units = options.lookback or 0, options.horizon or 0, options.units or 0
    mixes_future = bool(schema.future_covariates or schema.calendar)
    mixes_future = mixes_future and options.attention != "reverse-time"
    num_quantiles = max(len(parse_quantile_levels(options)), 1)
    per_step = len(schema.targets) * num_quantiles
    weights = options.num_layers * (3 * units * units + _LAYER_BYTES)
    if options.encoder == "per-feature":
        parts = horizon_parts(horizon)
        others = len(schema.features) - len(schema.targets)
        weights += units * (len(parts) + parts[0][1] * num_quantiles + (options.segment or 0))
        weights += units * units * (2 + others)
    elif options.decoder == "direct":
        weights += horizon * units * (max(units // 4, 1) if mixes_future else per_step)
        if options.attention in ("per-dimension", "shared"):
            weights += lookback * lookback
    weights *= (options.members or 1) * (options.views or 1)
    _require(path.stat().st_size >= weights, "it is too small for the network of config.json")


def check_linear_path(path: Path, options: FitOptions) -> None:
    """Raise a ValueError unless the network has a linear path just where the options say so."""
    with zipfile.ZipFile(path) as archive:
        _require(archive.getinfo("config.json").file_size <= _LARGEST_CONFIG, "it is too large")
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    has_path = any(layer["name"] == "linear_path" for layer in layers)
    _require(has_path == (options.linear_path == "blend"), "linear_path is not that of config.json")


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)
