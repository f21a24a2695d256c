"""What the pages of all reports share. Whatever comes from data passes through `escape` before it comes here."""

import base64
import hashlib
import io
from html import escape
from pathlib import Path

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:;"


def page(title, facts, summary, sections, script=""):
    """A page that needs no network and no other file.

    Args:
        title: str.
        facts: dict from str to text or number.
        summary: str, HTML.
        sections: dict from the id of a section to its heading and its HTML; what is empty is left out.
        script: str, JavaScript.

    Returns:
        str.
    """
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    policy = _POLICY
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f" script-src 'sha256-{digest}'"
        script = f"<script>{script}</script>\n"
    sections = {name: section for name, section in sections.items() if section[1]}
    links = "".join(f'<a href="#{name}">{heading}</a>' for name, (heading, _) in sections.items())
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-h"><h2 id="{name}-h">{heading}</h2>{content}</section>\n'
        for name, (heading, content) in sections.items()
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<dl class="facts">{"".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items())}</dl>
</header>
<main>
{summary}
<nav aria-label="Sections">{links}</nav>
{body}</main>
{script}</body>
</html>
"""


def player(clip, name):
    """An <audio> element that holds the bytes of a FLAC file; nothing without them."""
    if clip is None:
        return ""
    source = f"data:audio/flac;base64,{base64.b64encode(clip).decode()}"
    return f'<audio controls aria-label="{escape(name or "recording")}" src="{source}"></audio>'


def thumbnail(path, name):
    """An <img> element that holds a picture of at most 96 pixels a side."""
    from PIL import Image

    file = io.BytesIO()
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        picture.thumbnail((96, 96))
        picture.save(file, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return f'<img alt="{escape(name or "picture")}" src="{source}">'


def table(label, columns, lines):
    """A table of cells that are escaped; one that holds an element gets the element's name as class."""
    rows = [columns, *lines]
    kinds = [f' class="{cell[1:].split()[0]}"' if cell.startswith("<") else "" for cell in rows[-1]]
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for kind, cell in zip(kinds, line, strict=True))}</tr>"
        for line in lines
    )
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" role="region" aria-label="{label}" tabindex="0">{whole}</div>'
