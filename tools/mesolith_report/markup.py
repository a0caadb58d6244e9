"""Pieces of the page: escaped text, badges, tables, notes."""

import html
import os
import re


def escape(text):
    return html.escape(str(text))


def heading(text):
    """Escaped, with numbers kept on the line of their units."""
    return re.sub(r"(?<=[\d)]) (?=(Å|ps|ns|%))", "\u00a0", escape(text))


def badge(verdict):
    known = verdict if verdict in ("pass", "warn", "fail") else "unknown"
    return f'<span class="badge {known}">{escape(verdict)}</span>'


def table(header, rows, numeric=()):
    """Cells are HTML already; columns in `numeric` stand to the right."""

    def row(cells, tag):
        return (
            "<tr>"
            + "".join(
                f'<{tag}{" class=n" if c in numeric else ""}>{cell}</{tag}>' for c, cell in enumerate(cells)
            )
            + "</tr>"
        )

    return (
        "<div"
        f' class="wide"><table>{row(header, "th") if header else ""}{"".join(row(cells, "td") for cells in rows)}</table></div>'
    )


def dense(content):
    return f'<div class="dense">{content}</div>'


def note(text):
    return f'<p class="note">{escape(text)}</p>'


def whole(text):
    """Kept on one line."""
    return f'<span class="whole">{escape(text)}</span>'


def whole_page(title, parts, file):
    """A page of its own about one result file, which ends with the program that wrote it."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.css"), encoding="utf-8") as css:
        style = css.read()
    origin = (
        f'<p class="note">mesolith {escape(file.attr("/", "version", ""))}'
        f' ({escape(file.attr("/", "commit", ""))}), {escape(file.attr("/", "created", ""))}</p>'
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<style>{style}</style></head><body><main>{"".join(parts)}{origin}</main></body></html>\n'
    )
