"""Values of settings: from text or JSON to the type that a dataclass field names."""

import ast
import difflib
import json
import types
import typing

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def convert(value, kind):
    """Turns text or JSON into a value of a type, and checks everything else.

    Args:
        value: str as it stands on a command line, or a value that has the type already.
        kind: type: int, float, bool, str, None, a tuple of them, `Literal`, or a union.

    Returns:
        The value. A type that is none of the above takes every value.

    Raises:
        ValueError: the value does not have the type.

    Example:

    >>> convert("1e-3", float), convert("none", int | None), convert("8,16", tuple[int, ...]), convert([1, 2.5], tuple)
    (0.001, None, (8, 16), (1, 2.5))
    """
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return _first(value, options, lambda option: _same(value, option))
    if origin in (typing.Union, types.UnionType):
        # Text fits every string, so strings come last.
        return _first(value, sorted(options, key=lambda option: option is str), lambda option: convert(value, option))
    if kind is tuple or origin is tuple:
        return _tuple(value, options)
    return _SIMPLE[kind](value) if kind in _SIMPLE else value


def _first(value, options, attempt):
    for option in options:
        try:
            return attempt(option)
        except ValueError:
            pass
    raise ValueError(value)


def _same(value, option):
    if value != option and value != str(option):
        raise ValueError(value)
    return option


def _tuple(value, kinds):
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value.strip() or "()")
        except (SyntaxError, ValueError):
            value = tuple(part.strip() for part in value.split(","))  # words without quotes
        value = value if isinstance(value, (tuple, list)) else (value,)
    if not isinstance(value, (tuple, list)):
        raise ValueError(value)
    if not kinds:
        return tuple(_tuple(v, ()) if isinstance(v, list) else v for v in value)
    kinds = kinds[:1] * len(value) if kinds[1:] == (...,) else kinds
    if len(kinds) != len(value):
        raise ValueError(value)
    return tuple(convert(v, kind) for v, kind in zip(value, kinds, strict=True))


def _bool(value):
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    return _instance(value, bool)


def _int(value):
    return int(value) if isinstance(value, str) else _instance(value, int)


def _float(value):
    return float(value) if isinstance(value, str) else float(_instance(value, (int, float)))


def _none(value):
    if value is not None and str(value).lower() not in ("none", "null"):
        raise ValueError(value)


def _instance(value, kind):
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(value)
    return value


_SIMPLE = {
    bool: _bool,
    int: _int,
    float: _float,
    str: lambda value: _instance(value, str),
    types.NoneType: _none,
    None: _none,
}


def describe(kind):
    """A type in words.

    Example:

    >>> describe(typing.Literal["backoff", "logmax"] | float), describe(tuple[int, ...])
    ('"backoff", "logmax" or float', 'a tuple of int, written 1,2,3')
    """
    origin, options = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return _any_of([json.dumps(option) for option in options])
    if origin in (typing.Union, types.UnionType):
        literals = [typing.get_args(o) if typing.get_origin(o) is typing.Literal else () for o in options]
        parts = zip(options, literals, strict=True)
        return _any_of([w for o, ls in parts for w in ([json.dumps(v) for v in ls] if ls else [describe(o)])])
    if kind is tuple or origin is tuple:
        if options[1:] == (...,):
            return f"a tuple of {describe(options[0])}, written 1,2,3"
        inner = ", ".join(describe(option) for option in options)
        return f"a tuple ({inner}), written with commas" if inner else "a tuple, written 1,2,3"
    return {bool: "true or false", types.NoneType: "none"}.get(kind) or getattr(kind, "__name__", str(kind))


def _any_of(words):
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def check_names(names, known, owner):
    """Raises a `ValueError` that lists the close ones for a name that is not known."""
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, cutoff=0.5)
            listed = f"Close: {', '.join(close)}" if close else f"It has: {', '.join(known)}"
            raise ValueError(f"{owner} has no setting {name!r}. {listed}.")
