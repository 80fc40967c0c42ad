"""Files as they are found: every one is read, or refused with one message."""

import gzip
import os

import numpy as np
import pandas as pd
import pytest

from tsattn.data.column_table import open_columns
from tsattn.data.csv_format import CsvHints
from tsattn.data.pieces import Pieces
from tsattn.data.reading import checked_frame, read_table
from tsattn.errors import DataError

ROWS = 13
TIMES = pd.date_range("2024-01-15", periods=ROWS, freq="h")


def csv_text(delimiter=",", values=None, header=("time", "y")):
    values = [f"{i}.5" for i in range(ROWS)] if values is None else values
    lines = [delimiter.join(header)]
    lines += [f"{time}{delimiter}{value}" for time, value in zip(TIMES, values, strict=True)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def read(tmp_path):
    def read_content(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path)

    return read_content


PLAIN = csv_text()


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace("time,y", " time , y "),
        PLAIN.replace(",", " , "),
        "\n \n" + PLAIN,
        PLAIN.replace("time,y", '"time","y"'),
        csv_text(values=[f'"{i}.5"' for i in range(ROWS)]),
        PLAIN.replace("\n", ",,\n"),
        PLAIN + ",\n,\n",
        PLAIN.replace("5\n", "5,\n"),
    ],
    ids=[
        "plain",
        "byte-order-mark",
        "crlf",
        "cr",
        "utf-16",
        "utf-16-without-mark",
        "tab",
        "bar",
        "header-spaces",
        "cell-spaces",
        "blank-lines",
        "quoted-header",
        "quoted-numbers",
        "empty-columns",
        "empty-last-rows",
        "delimiters-after-the-last-cells",
    ],
)
def test_read_csv_gives_the_same_table_however_it_is_written(read, content):
    frame, notes = read(content)
    assert list(frame.columns) == ["time", "y"]
    np.testing.assert_array_equal(frame["y"], np.arange(ROWS) + 0.5)
    assert frame["time"].str.strip().iloc[-1] == "2024-01-15 12:00:00"
    assert notes == []


@pytest.mark.parametrize(
    ("values", "delimiter", "expected"),
    [
        ([f"{i},5" for i in range(ROWS)], ";", np.arange(ROWS) + 0.5),
        ([f'"1,{i:03d}"' for i in range(ROWS)], ",", 1000 + np.arange(ROWS)),
        ([f"1.{i:03d},5" for i in range(ROWS)], ";", 1000.5 + np.arange(ROWS)),
        ([f'"{i},25"' for i in range(ROWS)], ",", np.arange(ROWS) + 0.25),
    ],
    ids=["decimal-comma", "thousands", "thousands-and-decimal-comma", "quoted-decimal-comma"],
)
def test_read_csv_reads_marks_and_notes_them(read, values, delimiter, expected):
    frame, notes = read(csv_text(delimiter, values))
    np.testing.assert_allclose(frame["y"], expected)
    assert any("decimal comma" in note or "marks" in note for note in notes)


@pytest.mark.parametrize(
    ("form", "delimiter"),
    [
        ("{:.1f}%", ","), ("{:.1f} %", ";"), ("${:.1f}", ","), ("{:.1f}€", ","), ("€ {:.1f}", ";"),
        ('"{:,.1f} $"', ","),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mark", [".", ","])
def test_read_csv_reads_numbers_with_a_unit(read, form, delimiter, mark):
    expected = np.linspace(-2000, 4000, ROWS)
    values = [form.format(value) for value in expected]
    if mark == ",":
        delimiter = ";"
        values = [value.replace(",", "'").replace(".", ",") for value in values]
    frame, notes = read(csv_text(delimiter, values))
    np.testing.assert_allclose(frame["y"], expected)
    assert any("numbers with marks read in 'y'" in note for note in notes)


@pytest.mark.parametrize(
    "values", [["5%", "6", "7%"], ["$5", "€6", "$7"], ["$5%", "$6%", "$7%"], ["%", "%", "5%"]]
)
def test_read_csv_leaves_numbers_of_different_units_as_text(read, values):
    frame, _ = read(csv_text(values=np.resize(values, ROWS)))
    assert frame["y"].tolist() == np.resize(values, ROWS).tolist()


@pytest.mark.parametrize(
    ("rows", "mark", "sales", "visits"),
    [
        (["917;4.951;3,18", "1.018;5.002;3,72"], "decimal comma", (917, 1018), (4951, 5002)),
        (["917;4.951;3.18", "1,018;5.002;3.72"], "marks", (917, 1018), (4.951, 5.002)),
        (["917;4.951;1.234.567", "1.018;5.002;0"], "decimal comma", (917, 1018), (4951, 5002)),
        (["917;4.951;0,125", "1.018;5.002;0,250"], "decimal comma", (917, 1018), (4951, 5002)),
        (["917;4.951;1,2345", "1.018;5.002;1"], "decimal comma", (917, 1018), (4951, 5002)),
        (["917,4.951,1e3", '"1,018",5.002,1'], "marks", (917, 1018), (4.951, 5.002)),
        (['917,"4,951","3,18"', '"1.018","5,002",3'], "marks", (917, 1018), (4.951, 5.002)),
    ],
)
def test_read_csv_takes_the_mark_from_numbers_that_read_one_way(read, rows, mark, sales, visits):
    delimiter = ";" if ";" in rows[0] else ","
    frame, notes = read("\n".join([delimiter.join(["sales", "visits", "price"]), *rows]))
    assert tuple(frame["sales"]) == sales
    assert tuple(frame["visits"]) == visits
    assert any(mark in note for note in notes)


@pytest.mark.parametrize(
    ("content", "expected", "doubt"),
    [
        ("y,b\n1.018,0\n5.002,0\n", (1.018, 5.002), "'1.018' in column 'y' read as 1.018, which"),
        ("y;b\n1.018;0\n5.002;0\n", (1.018, 5.002), "write thousands without marks"),
        ("y;b\n5,018;0\n1,002;0\n", (5.018, 1.002), "decimals with ','"),
        ("y;b\n20,126;1.234\n19,002;1.235\n", (20.126, 19.002), "decimals with ','"),
        ("y;b\n917;0\n1.018;0\n", (917, 1018), "'1.018' in column 'y' read as 1018, which"),
        ('y,b\n917,0\n"1,018",0\n', (917, 1018), None),
    ],
)
def test_read_csv_notes_that_no_number_tells_the_mark(read, content, expected, doubt):
    frame, notes = read(content)
    assert tuple(frame["y"]) == expected
    found = [note for note in notes if "no other number confirms" in note]
    assert len(found) == (doubt is not None)
    assert doubt is None or doubt in found[0]


def test_read_csv_takes_no_mark_from_ids(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("time;plant;y\n2024-01-01;1.10;3,100\n2024-01-02;1.10;4,137\n", "utf-8")
    frame, notes = read_table(path, CsvHints(id_column="plant"))
    assert frame["y"].tolist() == [3.1, 4.137]
    assert frame["plant"].tolist() == ["1.10"] * 2
    assert any("'3,100' in column 'y' read as 3.100" in note for note in notes)


def test_read_csv_leaves_digits_of_other_scripts_as_text(read):
    frame, _ = read("time,y\n2024-01-01,3\n2024-01-02,１２\n")
    assert frame["y"].tolist() == ["3", "１２"]


def test_read_csv_notes_codes_that_become_numbers(read):
    frame, notes = read("month,code,y,id\n01,07,0,001\n02,12,0.5,002\n")
    assert list(frame["code"]) == [7, 12]
    assert len(notes) == 1
    assert "'code', 'id' with leading zeros read as numbers; write codes as text" in notes[0]


def test_read_csv_of_a_folder_takes_the_mark_from_any_file(tmp_path):
    for name, price in (("a", "3"), ("b", "3,18")):
        (tmp_path / f"{name}.csv").write_text(f"sales;price\n5.002;{price}\n5.004;2\n")
    frame, notes = read_table(tmp_path)
    assert list(frame["sales"]) == [5002, 5004, 5002, 5004]
    assert not any("confirms" in note for note in notes)
    with open_columns(tmp_path) as (columns, _):
        assert list(columns["sales"]) == list(frame["sales"])
    pieces = pd.concat(Pieces(tmp_path).read(1))
    assert list(pieces["sales"]) == list(frame["sales"])


def test_read_csv_finds_a_decimal_comma_beyond_the_sample(read):
    lines = [f"{i};{i if i < 9_001 else f'{i},5'}" for i in range(10_007)]
    frame, _ = read("No;y\n" + "\n".join(lines))
    assert frame["y"].iloc[-1] == 10_006.5


def test_read_csv_keeps_a_text_column_that_only_starts_like_numbers(read):
    frame, _ = read(csv_text(values=['"1,234"'] * (ROWS - 1) + ["off"]))
    assert frame["y"].iloc[0] == "1,234"


@pytest.mark.parametrize("late", [False, True])
def test_read_csv_reads_other_encodings_with_a_note(read, late):
    name = "größe" if not late else "y"
    rows = "".join(f"{i},{'é' if late and i > 9_000 else 'e'}\n" for i in range(10_007))
    frame, notes = read(f"{name},c\n{rows}".encode("cp1252"))
    assert frame.columns[0] == name
    assert frame["c"].iloc[-1] == ("é" if late else "e")
    assert "Windows-1252" in notes[0]


def test_read_csv_reads_true_and_false_with_gaps_as_numbers(read):
    frame, _ = read(csv_text(values=["True", "", *["False"] * (ROWS - 2)]))
    assert frame["y"].iloc[0] == 1
    assert np.isnan(frame["y"].iloc[1])


@pytest.mark.parametrize(
    ("above", "below", "noted"),
    [
        ("Station 5\nfrom, 2024\n\n", "", ["lines above the header left out (Station 5)"]),
        ("# a note, by hand\n", "", ["lines above the header left out (# a note, by hand)"]),
        ('"two\nlines"\n', "", ["lines above the header left out (two\nlines)"]),
        ("", ",MW\n", ["a line of units below the header left out (MW)"]),
        ("", "UTC,m3/s\n", ["a line of units below the header left out (UTC, m3/s)"]),
        ("\n# x\n", "\n[s],[1]\n", ["lines above the header left out (# x)", "a line of units "
         "below the header left out ([s], [1])"]),
    ],
    ids=["title", "comment", "quoted", "units", "zone", "both"],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_read_csv_leaves_out_titles_and_units(tmp_path, above, below, noted, delimiter):
    content = csv_text().replace("\n", f"\n{below}", 1).replace(",", delimiter)
    path = tmp_path / "data.csv"
    path.write_text(above + content, encoding="utf-8")
    frame, notes = read_table(path)
    assert list(frame.columns) == ["time", "y"]
    assert frame["y"].tolist() == [i + 0.5 for i in range(ROWS)]
    assert notes == [f"{path}: {note.replace(', ', ', ')}" for note in noted]
    with open_columns(path) as (columns, _):
        assert columns["y"].tolist() == frame["y"].tolist()
    pieces = [piece["y"].tolist() for piece in Pieces(path).read(5)]
    assert sum(pieces, []) == frame["y"].tolist()


@pytest.mark.parametrize(
    ("head", "header"),
    [
        ("Load, hourly values, Berlin\ntime,y,x\n", ["time", "y", "x"]),
        ("#time,y,x\nUTC,MW,C\n", ["#time", "y", "x"]),
        ("# time,y,x\n# UTC,MW,C\n", ["# time", "y", "x"]),
        ("time,y,\nUTC,MW,note\n", ["time", "y", "Unnamed: 2"]),
        ("time,y,x\n,,\n,MW,C\n", ["time", "y", "x"]),
        ("Station\nid, 5\nwhen,y,x\n", ["when", "y", "x"]),
    ],
)
def test_read_csv_finds_the_header_among_lines_of_text(read, head, header):
    frame, _ = read(f"{head}2020-01-01,0.5,0.25\n2020-01-02,1.5,0.75\n2020-01-03,2.5,0.5\n")
    assert list(frame.columns) == header
    assert frame["y"].tolist() == [0.5, 1.5, 2.5]


@pytest.mark.parametrize(
    "content",
    [
        "time,y,event\n2024-01-01,1.5,\n2024-01-02,2.5,\n2024-01-03,3.5,fair\n",
        "time,y,event\n2024-01-01,-,fair\n2024-01-02,2.5,\n2024-01-03,3.5,fair\n",
        "kind,y\na,?\nb,2\nc,3\n",
        "kind,y\na,2\nb,?\nc,3\n",
    ],
)
def test_read_csv_leaves_out_no_row_of_data(read, content):
    frame, notes = read(content)
    assert len(frame) == 3
    assert notes == []


@pytest.mark.parametrize("text", ["-", ".", "n.a.", "#DIV/0!", "?"])
def test_read_csv_takes_what_stands_for_nothing_as_missing(read, text):
    frame, notes = read(csv_text(values=["1.5", text, *["2.25"] * (ROWS - 2)]))
    assert frame["y"].head(3).fillna(-1).tolist() == [1.5, -1, 2.25]
    assert notes == []


def test_read_csv_reads_compressed_files(read):
    frame, _ = read(gzip.compress(PLAIN.encode()), "data.csv.gz")
    assert len(frame) == ROWS


@pytest.mark.parametrize(
    ("content", "received", "remedy"),
    [
        ("", "an empty file", "Check it"),
        ("  \n \n", "an empty file", "Check it"),
        ("time,y\n", "a header without rows", "Check the file"),
        ("time,y\n,\n,\n", "a header without rows", "Check the file"),
        (bytes(range(256)) * 11, "a binary file", "Export it as CSV or Parquet"),
        (b"PK\x03\x04" + bytes(97), "a binary file", "Export it as CSV or Parquet"),
        (b"y,c\n1,\x81\n", "can't decode byte 0x81", "Save it as UTF-8"),
        ("time,y,y\n1,2,3\n", "'y' more than once", "Rename the columns"),
        ("1,2\n3,4\n", "1, 2", "Add a header row"),
        ("2024-01-01,2\n2024-01-02,4\n", "2024-01-01, 2", "Add a header row"),
        ("time,y\n1,2\n1,2,3\n", "3 cells in row 3, 2 in the header", "Correct the row"),
        ("# by hand\n1,2\n3,4\n", "2 cells in row 2, 1 in the header", "remove the lines"),
        ('time,y\n"1,2\n3,4\n', "EOF inside string", "Check its quotes"),
    ],
)
def test_read_csv_refuses_what_is_no_table(read, content, received, remedy):
    with pytest.raises(DataError) as error:
        read(content)
    assert received in str(error.value)
    assert remedy in str(error.value)
    assert "\n" not in str(error.value)


def test_read_csv_refuses_a_long_row_beyond_the_sample(read):
    with pytest.raises(DataError, match=r"Expected 2 fields in line 9003, saw 4.*Correct"):
        read("time,y\n" + "2024-01-01 00:00,1\n" * 9_001 + "1,2,3,4\n")


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(PLAIN.encode() * 97)[:-11]])
def test_read_csv_refuses_broken_compression(read, content):
    with pytest.raises(DataError, match=r"must be readable\. Received: .* Check the file"):
        read(content, "data.csv.gz")


def test_read_table_refuses_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"Received: a pipe\. Write it to a file first"):
        read_table(tmp_path / "pipe.csv")


def test_read_table_refuses_a_missing_path(tmp_path):
    with pytest.raises(DataError, match=r"Received: a path to nothing\. Check the path"):
        read_table(tmp_path / "nothing.csv")


@pytest.fixture
def table():
    return pd.DataFrame({"time": TIMES, "y": np.arange(ROWS) + 0.5})


def test_read_parquet_reads_a_file_by_its_content(tmp_path, table):
    table.to_parquet(tmp_path / "named.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "named.csv")[0], table)


def test_read_parquet_makes_the_index_a_column(tmp_path, table):
    table.set_index("time").to_parquet(tmp_path / "data.parquet")
    frame, _ = read_table(tmp_path / "data.parquet")
    assert list(frame.columns) == ["time", "y"]


def test_read_parquet_keeps_the_order_of_many_columns(tmp_path):
    wide = pd.DataFrame(np.arange(3 * 97.0).reshape(3, 97), columns=[f"c{i}" for i in range(97)])
    wide.to_parquet(tmp_path / "data.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "data.parquet")[0], wide)


@pytest.mark.parametrize("frame", [pd.DataFrame(index=range(3)), pd.DataFrame({"y": []})])
def test_read_parquet_refuses_a_table_of_nothing(tmp_path, frame):
    frame.to_parquet(tmp_path / "data.parquet")
    with pytest.raises(DataError, match=r"a header without rows\. Check the file"):
        read_table(tmp_path / "data.parquet")


def test_read_parquet_reads_a_folder_in_order_of_names(tmp_path, table):
    table[7:].to_parquet(tmp_path / "b.parquet")
    table[:7].to_parquet(tmp_path / "a.parquet")
    (tmp_path / "README.md").write_text("not data")
    frame, _ = read_table(tmp_path)
    np.testing.assert_array_equal(frame["y"], table["y"])


@pytest.mark.parametrize("ending", [".parquet", ".pq", ".csv", ".CSV.gz"])
def test_read_table_leaves_out_what_is_hidden_in_a_folder(tmp_path, table, ending):
    hidden = tmp_path / "runs" / ".copies"
    hidden.mkdir(parents=True)
    for name in ("a", "runs/.b", "runs/.copies/a"):
        path = tmp_path / f"{name}{ending}"
        if ending in (".parquet", ".pq"):
            table.to_parquet(path)
        else:
            table.to_csv(path, index=False, compression="gzip" if "gz" in ending else None)
    frame, _ = read_table(tmp_path)
    np.testing.assert_array_equal(frame["y"], table["y"])


def test_read_csv_of_a_folder_takes_no_rows_from_files_with_a_header_only(tmp_path):
    (tmp_path / "a.csv").write_text("time,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a header without rows\. Check the file"):
        read_table(tmp_path)
    (tmp_path / "b.csv").write_text("time,y\n2024-01-01,1.5\n2024-01-02,3\n", encoding="utf-8")
    (tmp_path / "c.csv").write_text("time,y\n,\n", encoding="utf-8")
    (tmp_path / "d.csv").write_text("time,y\n2024-01-03,7\n", encoding="utf-8")
    frame, _ = read_table(tmp_path)
    assert frame["y"].tolist() == [1.5, 3, 7]
    assert frame["y"].dtype == "float64"
    (tmp_path / "e.csv").write_text("time,z\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"'y', 'z' in only one of a\.csv and e\.csv"):
        read_table(tmp_path)


def test_open_columns_takes_no_rows_from_files_with_a_header_only(tmp_path):
    for name, rows in {"a": "", "b": "2024-01-01,1.5\n", "c": "", "d": "2024-01-02,7\n"}.items():
        (tmp_path / f"{name}.csv").write_text(f"time,y\n{rows}", encoding="utf-8")
    with open_columns(tmp_path) as (columns, _):
        assert columns["y"].tolist() == [1.5, 7]
    for name in ("b", "d"):
        (tmp_path / f"{name}.csv").unlink()
    with pytest.raises(DataError, match=r"a header without rows"), open_columns(tmp_path):
        pass


def test_read_parquet_reads_the_columns_of_folder_names(tmp_path, table):
    (tmp_path / "year=2024").mkdir()
    table.to_parquet(tmp_path / "year=2024" / "a.parquet")
    frame, _ = read_table(tmp_path)
    assert (frame["year"] == 2024).all()


def test_read_parquet_refuses_a_folder_without_files(tmp_path):
    with pytest.raises(DataError, match=r"a folder without \*\.parquet and \*\.csv\. Give one"):
        read_table(tmp_path)


def test_read_parquet_refuses_files_with_other_columns(tmp_path, table):
    table.to_parquet(tmp_path / "a.parquet")
    table.rename(columns={"y": "z"}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"'y', 'z' in only one of a.parquet and b.parquet\. Ren"):
        read_table(tmp_path)


HALF = pd.Series([1, 2, 3])


def column_of_table(path):
    frame, _ = read_table(path)
    return frame["y"]


def column_alone(path):
    with open_columns(path) as (columns, _):
        return columns["y"].astype(object)


@pytest.mark.parametrize("read", [column_of_table, column_alone])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (HALF, HALF + 0.5),
        (HALF + 0.5, HALF),
        (HALF.astype("int8"), HALF * 1000),
        (HALF.astype("Int64"), HALF + 0.5),
        (HALF.map(lambda _: None), HALF.map("s{}".format)),
        (HALF.map("s{}".format).astype("category"), HALF.map("t{}".format)),
        (pd.to_datetime(HALF, unit="D"), pd.to_datetime(HALF, unit="D").dt.date),
        (pd.to_datetime(HALF, unit="h", utc=True), pd.to_datetime(HALF, unit="h", utc=True)
         .dt.tz_convert("Asia/Tokyo")),
    ],
    ids=[
        "floats-later", "floats-first", "small", "nullable", "empty", "categories", "days", "zones",
    ],
)  # fmt: skip
def test_read_parquet_takes_a_type_that_holds_what_all_files_have(tmp_path, read, first, second):
    for name, part in {"a": first, "b": second}.items():
        pd.DataFrame({"t": range(3), "y": part}).to_parquet(tmp_path / f"{name}.parquet")
    column = read(tmp_path)
    expected = pd.concat([first, second], ignore_index=True)
    if first.dtype.kind == "M":
        expected = pd.to_datetime(expected, utc=True).dt.tz_convert(first.dt.tz)
    assert column.fillna("").tolist() == expected.fillna("").tolist()


@pytest.mark.parametrize(
    ("first", "second", "received"),
    [
        (HALF > 1, HALF + 0.5, "'y' of bool in a.parquet and of double in b.parquet"),
        (HALF, HALF.astype(str), "'y' of int64 in a.parquet and of large_string in b.parquet"),
        (pd.to_datetime(HALF), pd.to_datetime(HALF, utc=True), "'y' of timestamp[ns] in a.parqu"),
    ],
    ids=["true", "text", "zone"],
)
def test_read_parquet_refuses_columns_of_different_kinds(tmp_path, first, second, received):
    for name, part in {"a": first, "b": second}.items():
        pd.DataFrame({"t": range(3), "y": part}).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError) as error:
        read_table(tmp_path)
    assert received in str(error.value)


@pytest.mark.parametrize("content", [b"", b"time,y\n1,2\n", b"PAR1 and then nothing"])
def test_read_parquet_refuses_what_is_none(read, content):
    with pytest.raises(DataError, match=r"must be Parquet\. Received: .* Check that it was"):
        read(content, "data.parquet")


def test_checked_frame_names_an_index_of_times(table):
    frame = checked_frame(table.set_index("time").rename_axis(None), "a frame")
    assert list(frame.columns) == ["time", "y"]


@pytest.mark.parametrize("name", [None, "time"])
def test_checked_frame_leaves_out_an_index_that_is_also_a_column(table, name):
    frame = checked_frame(table.set_index("time", drop=False).rename_axis(name), "a frame")
    assert list(frame.columns) == ["time", "y"]


def test_checked_frame_renames_an_index_with_the_name_of_another_column(table):
    other = table.set_index(pd.Index(range(100, 100 + ROWS), name="y"))
    assert list(checked_frame(other, "a frame").columns) == ["y_", "time", "y"]


def test_checked_frame_turns_periods_into_their_first_times(table):
    periods = pd.period_range("2020-01", periods=ROWS, freq="M")
    frame = checked_frame(table[["y"]].set_index(periods), "a frame")
    assert frame["time"].iloc[1] == pd.Timestamp("2020-02-01")


def test_checked_frame_keeps_the_levels_of_an_index(table):
    panel = pd.concat({"a": table.set_index("time"), "b": table.set_index("time")})
    assert list(checked_frame(panel, "a frame").columns) == ["level_0", "time", "y"]
    unnamed = panel.rename_axis([None, None])
    assert list(checked_frame(unnamed, "a frame").columns) == ["level_0", "level_1", "y"]


def test_checked_frame_drops_an_index_of_row_numbers(table):
    assert list(checked_frame(table[3:], "a frame").columns) == ["time", "y"]


@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical([1, 2, 3, None, *[1] * (ROWS - 4)]),
        np.array([True, None] + [False] * (ROWS - 2), dtype=object),
        np.array([2**70] + [1] * (ROWS - 1), dtype=object),
        np.array([None] * ROWS, dtype=object),
    ],
    ids=["categories", "booleans", "big-integers", "nothing"],
)
def test_checked_frame_reads_objects_that_are_numbers(table, values):
    frame = checked_frame(table.assign(y=values), "a frame")
    assert frame["y"].dtype == np.float64


def test_checked_frame_does_not_change_its_argument(table):
    original = table.rename(columns={"y": " y "}).assign(c=pd.Categorical([1] * ROWS))
    expected = original.copy()
    checked_frame(original, "a frame")
    pd.testing.assert_frame_equal(original, expected)


@pytest.mark.parametrize(
    ("frame", "received"),
    [
        (pd.DataFrame(), "a header without rows"),
        (pd.DataFrame({"y": []}), "a header without rows"),
        (pd.DataFrame([[1, 2]], columns=["y", "y"]), "'y' more than once"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "y")])), r"\('a', 'y'\)"),
    ],
)
def test_checked_frame_refuses_what_is_no_table(frame, received):
    with pytest.raises(DataError, match=rf"Received: {received}.*(Check|Rename|Join)"):
        checked_frame(frame, "a frame")
