"""Pages: one file each, with style, pictures and data inside and nothing to load. jinja2 lives here alone."""

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from spikec.report import units

# What would end a script element, open a comment in it, or break JavaScript's older strings.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page(template: str, **values: Any) -> str:  # Any: each template names what it takes
    """The template, filled in; all text is escaped, and a value that it lacks is an error."""
    environment = Environment(
        loader=PackageLoader("spikec.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(energy=units.energy, count=units.count, percent=units.percent, compact=units.compact)
    return environment.get_template(template).render(**values)


def script_json(value: Any) -> str:  # Any: JSON
    """The value as JSON that is safe inside a script element; JSON.parse gives it back unchanged."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    return text
