"""HTML that cannot be broken by what is written into it: every text is escaped."""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_EMPTY = {"img", "meta", "br", "rect"}


class Markup(str):
    """Text that is HTML already; any other is escaped where it is put into an element."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """Return a value as HTML; markup as it is."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def join(*parts: object) -> Markup:
    """Return parts one after another, escaped."""
    return Markup("".join(escape(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element; `class_` is the attribute class, and `_` in names stands for `-`."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
        for key, value in attributes.items()
    )
    if name in _EMPTY:
        return Markup(f"<{name}{given}>" if name != "rect" else f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str, texts: int = 1
) -> Markup:
    """Return a table with a caption, in a region that scrolls by itself where it is too wide.

    Args:
        header: the names of the columns.
        rows: their cells; the first one heads its row.
        caption: what the table shows.
        texts: how many of the first columns are text; numbers stand to the right.
    """
    body = []
    for row in rows:
        cells = [
            tag("th", cell, scope="row") if i == 0 else tag("td", cell, class_=_side(i, texts))
            for i, cell in enumerate(row)
        ]
        body.append(tag("tr", *cells))
    heads = [tag("th", name, scope="col", class_=_side(i, texts)) for i, name in enumerate(header)]
    content = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *body),
    )
    return tag("div", content, class_="scroll", role="region", aria_label=caption, tabindex=0)


def _side(column: int, texts: int) -> str:
    return "text" if column < texts else "number"


def bullets(items: Iterable[object]) -> Markup:
    """Return a list."""
    return tag("ul", *(tag("li", item) for item in items))


def figure(path: Path, alt: str, caption: str) -> Markup:
    """Return a PNG, embedded, with a text for those who do not see it; nothing without a file."""
    if not path.is_file():
        return Markup("")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    image = tag("img", src=f"data:image/png;base64,{data}", alt=alt)
    region = tag("div", image, class_="scroll", role="region", aria_label=caption, tabindex=0)
    return tag("figure", region, tag("figcaption", caption))


def moment(time: str) -> str:
    """Return an ISO time as people write it, without seconds of zero."""
    return re.sub(r"T(\d\d:\d\d):00(?=$|[+-])", r" \1", time).replace("T", " ")


def number(value: object, pattern: str = "{:.4g}") -> str:
    """Return a number as text, a dash where there is none."""
    is_number = isinstance(value, int | float) and value == value
    return pattern.format(value) if is_number else "–"
