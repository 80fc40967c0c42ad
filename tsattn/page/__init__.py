"""`report.html`: what a model directory holds, as one page that needs no network and no script."""

from tsattn.page.document import build_page, write_page

__all__ = ["build_page", "write_page"]
