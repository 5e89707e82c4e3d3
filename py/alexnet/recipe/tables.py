"""Between TOML's plain tables and the dataclasses of `spec`, driven by their fields alone."""

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from alexnet.errors import Failure
from alexnet.recipe.spec import KINDS, LayerSpec, NetSpec, Setting, Weighted

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`, by the whole of it or by its last part."""
    last = name.rpartition(".")[2]

    def likeness(candidate: str) -> float:
        whole = difflib.SequenceMatcher(None, name, candidate).ratio()
        return max(whole, 0.75 * difflib.SequenceMatcher(None, last, candidate.rpartition(".")[2]).ratio())

    return max(known, key=likeness)


def shown(value: object) -> str:
    """`value` on one line, short enough for a message."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def described(hint: Any) -> str:
    """What a key of this type accepts, in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{described(parts[0])} {parts[1]}"
    if origin in (Union, UnionType):
        return " or ".join(described(part) for part in parts)
    if origin is Literal:
        return " or ".join(f'"{part}"' for part in parts)
    return "a list" if origin is tuple else WORDS.get(hint, "a table")


def read(hint: Any, value: object, where: str) -> Any:
    """`value` as a `hint`; `where` is its dotted key. Raises Failure when it is not one."""
    reader = READERS.get(hint) or READERS.get(get_origin(hint), _table)
    try:
        return reader(hint, value, where)
    except ValueError:
        raise Failure(f"{where} = {shown(value)}: it must be {described(hint)}") from None


def _exactly(kind: type) -> Callable[[Any, object, str], object]:
    def reader(hint: Any, value: object, where: str) -> object:
        if type(value) is not kind:
            raise ValueError
        return value

    return reader


def _float(hint: Any, value: object, where: str) -> float:
    if type(value) not in (int, float):
        raise ValueError
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError
    return number


def _choice(hint: Any, value: object, where: str) -> object:
    if value not in get_args(hint):
        raise ValueError
    return value


def _ranged(hint: Any, value: object, where: str) -> Any:
    base, allowed = get_args(hint)
    number = READERS[base](base, value, where)
    if not allowed.holds(number):
        raise ValueError
    return number


def _either(hint: Any, value: object, where: str) -> Any:
    for part in get_args(hint):
        try:
            return (READERS.get(part) or READERS[get_origin(part)])(part, value, where)
        except ValueError:
            continue
    raise ValueError


def _items(hint: Any, value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError
    item = get_args(hint)[0]
    return tuple(read(item, each, f"{where}[{index}]") for index, each in enumerate(value))


def _settings(hint: Any, value: object, where: str) -> dict[str, Setting]:
    if not isinstance(value, dict):
        raise ValueError
    return {key: read(Setting, each, f"{where}.{key}") for key, each in value.items()}


def _layer(hint: Any, value: object, where: str) -> LayerSpec:
    if not isinstance(value, dict) or not value:
        raise Failure(f'{where}: a layer is a line such as {{ relu = "relu1" }}')
    found = [key for key in value if key in KINDS]
    if len(found) != 1:
        first = next(iter(value))
        raise Failure(
            f"{where}: a line names its two kinds {found[0]} and {found[1]}, but a layer has one"
            if found
            else f"{where}: unknown kind of layer '{first}', the nearest is '{nearest(first, KINDS)}'"
        )
    kind = found[0]
    name = value[kind]
    reserved = {field.name for field in fields(NetSpec)} | {"without"}
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in reserved:
        raise Failure(f'{where}: {kind} = {shown(name)}: give the layer a name such as "{kind}1"')
    rest = {key: each for key, each in value.items() if key != kind}
    if "name" in rest:
        raise Failure(f"net.{name}: unknown key 'name': the name is what stands after {kind}")
    layer: LayerSpec = read(KINDS[kind], {"name": name, **rest}, f"net.{name}")
    return layer


READERS: dict[Any, Callable[[Any, object, str], Any]] = {
    bool: _exactly(bool),
    int: _exactly(int),
    str: _exactly(str),
    float: _float,
    Literal: _choice,
    Annotated: _ranged,
    Union: _either,
    UnionType: _either,
    tuple: _items,
    Mapping[str, Setting]: _settings,
    LayerSpec: _layer,
}


def _table(hint: Any, value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError
    hints = get_type_hints(hint, include_extras=True)
    known = {field.name: field for field in fields(hint)}
    for key in value:
        if key not in known:
            close = nearest(key, [name for name in known if name != "name"] or ["no key at all"])
            raise Failure(f"{dotted(where, key)}: unknown key, the nearest is '{dotted(where, close)}'")
    missing = [name for name, field in known.items() if name not in value and _required(field)]
    if missing:
        raise Failure(f"{where or 'recipe'}: '{missing[0]}' is missing: add {missing[0]} = ...")
    return hint(**{key: read(hints[key], each, dotted(where, key)) for key, each in value.items()})


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def dotted(where: str, key: str) -> str:
    """The key of a table's entry; the root table is ''."""
    return f"{where}.{key}" if where else key


def plain(value: Any) -> Any:
    """A dataclass as the tables that `read` takes, complete; a layer's own keys before the shared ones."""
    if is_dataclass(value):
        if not isinstance(value, LayerSpec):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        shared = {field.name for field in fields(Weighted)}
        order = sorted(fields(value), key=lambda field: field.name in shared)
        return {value.kind: value.name} | {
            each.name: getattr(value, each.name) for each in order if each.name != "name"
        }
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def written(tables: dict[str, Any]) -> str:
    """Plain tables as TOML: sections in order, lists of tables one a line."""
    scalars = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_value(value)}" for key, value in scalars.items()]
    for name, section in tables.items():
        if isinstance(section, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + "".join(f"  {_value(each)},\n" for each in value) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return repr(value) if type(value) is float else json.dumps(value)


def _key(key: str) -> str:
    return key if NAME.fullmatch(key) else json.dumps(key)
