"""The data a model was trained on, as long as it is still the same."""

from pathlib import Path

from tsattn.errors import UsageError
from tsattn.fitted import FittedForecaster
from tsattn.model_directory import file_sha256
from tsattn.pipeline.tables import Data


def training_data(fitted: FittedForecaster, data: Data | None, *, rule: str, option: str) -> Data:
    """Return the data a model was trained on: where it was, or where it is said to be.

    Args:
        fitted: The model.
        data: The data; None for the file that the model was trained on.
        rule: What a message begins with.
        option: The option that gives the place of the data.

    Raises:
        UsageError: the data is not given, gone, or has changed.
    """
    if data is not None and not isinstance(data, str | Path):
        return data  # a table, which has no hash to compare
    path = Path(data) if data is not None else Path(fitted.data_path or "")
    if data is None and fitted.data_path is None:
        received, remedy = "a model that was not trained on one file", "Give the same data."
    elif not (path.is_file() or path.is_dir()) or (data is None and not fitted.data_sha256):
        received, remedy = f"{path}, which does not exist", f"Give its new place with {option}."
    elif fitted.data_sha256 and file_sha256(path) != fitted.data_sha256:
        received = f"{path}, which has changed since"
        remedy = f"Give a copy of the old data with {option}, or fit the model again."
    else:
        return path
    raise UsageError(f"{rule} Received: {received}. {remedy}")
