"""Line drawings of 24 by 24, made for this panel. An icon never stands alone for a meaning: a word is beside it."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

_PATHS = dict(
    line.split(" ", 1) for line in Path(__file__).with_name("icons.txt").read_text(encoding="ascii").splitlines()
)


def icon(name: str, label: str = "") -> Markup:
    """The drawing as SVG. Hidden from assistive technology unless it has a `label`."""
    hidden = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    return Markup('<svg class="icon" viewBox="0 0 24 24" focusable="false" {}><path d="{}"/></svg>').format(
        hidden, _PATHS[name]
    )
