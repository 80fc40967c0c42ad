"""Reading a Parquet file, or a folder of them, at little more than the memory of the table.

What reads them is loaded when it is needed, since CSV files are read without it.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

from tsattn.config import PARQUET_ENDINGS
from tsattn.errors import DataError

_READS = 20


def parquet_files(path: Path) -> list[Path]:
    """Return the Parquet files of a folder, see `files_of`, or a file itself."""
    return files_of(path, PARQUET_ENDINGS) if path.is_dir() else [path]


def files_of(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Return the files of a folder, and of those in it, whose names end so, in their order.

    Hidden ones, and those of hidden folders, are not looked at: copies of editors and notebooks,
    and what a killed run has left.
    """
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.lower().endswith(endings)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def open_parquet(path: Path) -> Any:
    """Return a Parquet file, or all of a folder, as a `pyarrow.dataset.Dataset`; nothing is read.

    A column of whole numbers in some files and of others in the rest is one of floats.

    Raises:
        DataError: no Parquet file, or files with different columns, or columns of different types.
    """
    from pyarrow import dataset, parquet

    files = parquet_files(path)
    if not files:
        raise DataError(
            f"{path}: a folder must hold Parquet or CSV files. Received: a folder without "
            "*.parquet and *.csv. Give one CSV or Parquet file, or a folder of such files."
        )
    try:
        schemas = [parquet.read_schema(file) for file in files]
        _check_same_columns(files, schemas)
        options: dict[str, Any] = {"format": "parquet"}
        if path.is_dir():
            options |= {"partitioning": "hive", "partition_base_dir": str(path)}
        names = [str(file) for file in files]
        data = dataset.dataset(names, **options)
        common = _common_schema(data.schema, files, schemas)
        return data if common == data.schema else dataset.dataset(names, schema=common, **options)
    except pyarrow.ArrowException as error:
        raise not_parquet(path, error) from None


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file, or all of a folder, with the columns its folder names stand for.

    Raises:
        DataError: no Parquet file, or files with different columns.
    """
    data = open_parquet(path)
    try:
        # A few columns at a time: read at once, the decoded file takes twice the memory of the
        # frame; read one by one, thousands of columns take long.
        names = data.schema.names
        size = max(1, -(-len(names) // _READS))
        columns = []
        for start in range(0, len(names), size):
            columns += data.to_table(columns=names[start : start + size]).columns
        table = pyarrow.Table.from_arrays(columns, schema=data.schema)
        del columns
        frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
        return frame
    except pyarrow.ArrowException as error:
        raise not_parquet(path, error) from None


def batches(data: Any, rows: int, columns: Sequence[str] | None) -> Iterator[Any]:
    """Yield a Parquet dataset in batches of at most so many rows.

    One row group after another: PyArrow reads a dataset ahead, however slow its reader is.
    """
    from pyarrow import dataset

    options = dataset.ParquetFragmentScanOptions(use_buffered_stream=True, pre_buffer=False)
    for file in data.get_fragments():
        for row_group in file.split_by_row_group():
            yield from row_group.to_batches(
                schema=data.schema,
                columns=data.schema.names if columns is None else list(columns),
                batch_size=rows,
                batch_readahead=0,
                fragment_readahead=0,
                fragment_scan_options=options,
                use_threads=False,
            )


def not_parquet(path: Path, error: Exception) -> DataError:
    """Return the error for a file that PyArrow cannot read."""
    return DataError(
        f"{path}: the file must be Parquet. Received: {one_line(error)}. "
        "Check that it was written completely, and each column as one type."
    )


def _check_same_columns(files: Sequence[Path], schemas: Sequence[pyarrow.Schema]) -> None:
    for file, schema in zip(files, schemas, strict=True):
        differing = {*schemas[0].names} ^ {*schema.names}
        if differing:
            raise DataError(
                f"{file.parent}: all Parquet files of a folder must have the same columns. "
                f"Received: {', '.join(map(repr, sorted(differing)))} in only one of "
                f"{files[0].name} and {file.name}. Rename the columns, or remove the file."
            )


def _common_schema(
    first: pyarrow.Schema, files: Sequence[Path], schemas: Sequence[pyarrow.Schema]
) -> pyarrow.Schema:
    """Return the schema of all files: `first`, with types that can hold what the others do."""
    fields = {field.name: field for field in first}
    for file, schema in zip(files[1:], schemas[1:], strict=True):
        for field in schema:
            try:
                fields[field.name] = _wider(fields[field.name], field)
            except pyarrow.ArrowTypeError:
                raise DataError(
                    f"{file.parent}: a column must be of one type in all files of a folder. "
                    f"Received: {field.name!r} of {fields[field.name].type} in {files[0].name} and "
                    f"of {field.type} in {file.name}. Write it as one type."
                ) from None
    widened = [field.name for field in first if field.type != fields[field.name].type]
    return pyarrow.schema(fields.values(), metadata=_without_types(first.metadata, widened))


def _without_types(
    metadata: dict[bytes, bytes] | None, names: Sequence[str]
) -> dict[bytes, bytes] | None:
    """Return metadata that does not say what types some columns have in pandas."""
    if not names or not metadata or b"pandas" not in metadata:
        return metadata
    content = json.loads(metadata[b"pandas"])
    content["columns"] = [each for each in content["columns"] if each["name"] not in names]
    return {**metadata, b"pandas": json.dumps(content).encode()}


def _wider(one: pyarrow.Field, other: pyarrow.Field) -> pyarrow.Field:
    """Return a field that can hold what either holds.

    Raises:
        pyarrow.ArrowTypeError: they are of different kinds.
    """
    if one.type == other.type:
        return one
    kinds = pyarrow.types
    pair = [
        field.with_type(field.type.value_type) if kinds.is_dictionary(field.type) else field
        for field in (one, other)
    ]
    is_moment = [kinds.is_timestamp(field.type) for field in pair]
    if any(is_moment) and any(kinds.is_date(field.type) for field in pair):
        moment = pair[is_moment.index(True)]
        if moment.type.tz is None:
            return moment
    if all(is_moment) and None not in (pair[0].type.tz, pair[1].type.tz):
        return pair[0]  # the same moments, in whatever zone
    (field,) = pyarrow.unify_schemas(
        [pyarrow.schema([field]) for field in pair], promote_options="permissive"
    )
    return field


def one_line(error: Exception) -> str:
    """Return the text of an error, to be put into a message."""
    return " ".join(str(error).split()).rstrip(".")
