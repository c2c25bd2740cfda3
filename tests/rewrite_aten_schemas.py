"""Writes aten_schemas.txt, the signatures of PyTorch's operations that the reader of `.pt2` files needs.

These are the operations in RULES and UNCHANGED that take a tensor, as PyTorch itself states them. Signatures without
defaults and aliases are left out, because the arguments in a file say all of them.
"""

import re
from pathlib import Path

from convcalc.convert import exported_program
from convcalc.convert.pytorch.aten_to_onnx import RULES, UNCHANGED

FILE = Path(exported_program.__file__).parent / "aten_schemas.txt"


def list_schemas() -> str:
    """The signatures, one a line, in alphabetical order."""
    import torch

    wanted = {*RULES, *UNCHANGED}
    wanted |= {f"{name}_" for name in wanted}
    found = set()
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        text = str(schema)
        inside = text.partition(" -> ")[0]
        if namespace != "aten" or name not in wanted or schema.overload_name.endswith("out"):
            continue
        if "Dict(" in inside or re.search(r"\bt\b", inside):  # for containers, which no graph has
            continue
        if "Tensor" in inside and ("=" in inside or re.search(r"Tensor\(", inside)):
            found.add(text)
    return "".join(f"{text}\n" for text in sorted(found))


if __name__ == "__main__":
    FILE.write_text(list_schemas(), encoding="utf-8")
