"""Turns the names of a network into valid names of attributes, variables and classes."""

import keyword
import re
from collections.abc import Iterable

from convcalc.problems import printable

_LONGEST_CLASS = 60
# attributes of nn.Module and nn.Sequential, which cannot be names of layers
TAKEN = frozenset(
    re.findall(
        r"\S+",
        "T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu cuda double "
        "dump_patches eval extend extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half "
        "insert ipu keys load_state_dict modules mtia named_buffers named_children named_modules named_parameters "
        "parameters pop register_backward_hook register_buffer register_forward_hook register_forward_pre_hook "
        "register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook "
        "register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook "
        "register_state_dict_pre_hook requires_grad_ self set_extra_state set_submodule share_memory state_dict to "
        "to_empty train training type xpu zero_grad",
    )
)
VARIABLES_TAKEN = frozenset({"self", "x", "out", "nn", "torch"})
CLASSES_TAKEN = frozenset({"OrderedDict", "Tensor", "True", "False", "None"})


def make_identifier(text: str, taken: Iterable[str] = TAKEN) -> str:
    """Return a name as a Python identifier: `-` becomes `_`, and keywords and names in `taken` get a trailing `_`."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return f"{name}_" if keyword.iskeyword(name) or name in taken else name


def make_distinct(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return a different Python identifier for each name, none of them in `taken`."""
    found: list[str] = []
    used = set(taken)
    for name in names:
        candidate = first_free_name(make_identifier(name, taken), used)
        used.add(candidate)
        found.append(candidate)
    return found


def first_free_name(name: str, used: Iterable[str]) -> str:
    """Return the name, or the first of `name_2`, `name_3` and so on that is not in `used`."""
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def make_class_name(text: str) -> str:
    """Return the text as a class name: `conv_bn` becomes `ConvBn`."""
    parts = re.findall(r"[A-Za-z0-9]+", text)
    name = "".join(part[:1].upper() + part[1:] for part in parts)[:_LONGEST_CLASS]
    if not name[:1].isalpha():
        name = f"Network{name}"
    return f"{name}_" if name in CLASSES_TAKEN else name


def quote_for_docstring(text: str) -> str:
    """Return a text that is safe in a docstring: on one line, printable, quotes and backslashes escaped."""
    return printable(" ".join(text.split())).replace("\\", "\\\\").replace('"', '\\"')
