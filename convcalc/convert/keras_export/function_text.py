"""Writes the functions of an exported Keras model as Python code, with variable names such as `x`."""

import re
from collections.abc import Iterator
from typing import Any

from convcalc.convert.keras_export.calls import to_keras_shape
from convcalc.convert.keras_export.functions import RESERVED, KerasFunction, Statement, Token
from convcalc.convert.keras_export.tensors import list_integer_inputs
from convcalc.convert.pytorch.calls import CallArgument, ModuleCall
from convcalc.convert.pytorch.classes import ALWAYS_NAMED, ParameterReference
from convcalc.convert.pytorch.names import first_free_name, make_distinct, make_identifier
from convcalc.convert.pytorch.python_text import INDENT, WIDTH, describe_uses, expression_lines, wrap_items, write_value
from convcalc.network import Network

_FLOW = "x"  # the variable of a value that only the next statement reads


def function_lines(function: KerasFunction, network: Network, functions: frozenset[str]) -> Iterator[str]:
    """Yield the lines of a function. `functions` are the names of all functions, which no variable may have."""
    whole = function.name == "build"
    names = _name_variables(function, network if whole else None, functions)
    values = [names[token] for token in function.outputs]
    if whole:
        yield "def build():"
        yield f'{INDENT}"""Return the network as a keras.Model."""'
        yield from _input_lines(network, [names[token] for token in function.inputs])
    else:
        parameters = [_write_parameter(parameter) for parameter in function.parameters]
        yield from wrap_items(
            f"def {function.name}(", [*(names[token] for token in function.inputs), *parameters, "*", "name"], "):", 0
        )
        yield f'{INDENT}"""{describe_uses(function.word, function.uses)}"""'
    prefix = "" if whole else f"{{name}}{function.separator}"
    for statement, call in zip(function.statements, function.calls, strict=True):
        yield from _statement_lines(statement, call, names, prefix)
    if whole:
        yield from _return_lines(network, [names[token] for token in function.inputs], values)
    else:
        yield f"{INDENT}return {', '.join(values)}"


def _write_parameter(parameter: Any) -> str:
    if parameter.default is ALWAYS_NAMED:
        return str(parameter.name)
    return f"{parameter.name}={write_value(parameter.default)}"


def _return_lines(network: Network, inputs: list[str], outputs: list[str]) -> Iterator[str]:
    """Yield the statements that return the model. Several outputs are a dict from names to values."""
    output = outputs[0]
    if len(outputs) > 1:
        output = "outputs"
        items = [f'"{name}": {value}' for name, value in zip(network.outputs, outputs, strict=True)]
        yield from wrap_items(f"{INDENT}outputs = {{", items, "}", 1)
    arguments = (
        CallArgument("inputs", ParameterReference(inputs[0] if len(inputs) == 1 else f"[{', '.join(inputs)}]")),
        CallArgument("outputs", ParameterReference(output)),
        CallArgument("name", re.sub(r"[^A-Za-z0-9_-]+", "_", network.name), None),
    )
    yield from expression_lines(ModuleCall("keras.Model", arguments), 1, "return ")


def _input_lines(network: Network, variables: list[str]) -> Iterator[str]:
    integers = list_integer_inputs(network)
    for place, (variable, (name, shape)) in enumerate(zip(variables, network.inputs.items(), strict=True)):
        sizes = shape.spatial if place in integers else to_keras_shape(shape)
        dtype = CallArgument("dtype", "int32" if place in integers else None, None)
        call = ModuleCall("keras.Input", (CallArgument("shape", sizes), dtype, CallArgument("name", name, None)))
        yield from expression_lines(call, 1, f"{variable} = ")


def _name_variables(function: KerasFunction, network: Network | None, functions: frozenset[str]) -> dict[Token, str]:
    """Return a variable for each value in a function.

    A value that only the next statement reads is named `x`. Any other is named after the layer that computes it.
    """
    used = {*RESERVED, *functions, *(parameter.name for parameter in function.parameters)}
    if len(function.inputs) == 1:
        inputs = ["inputs"]
    elif network is not None:
        inputs = make_distinct(network.inputs, {*used, "input"})
    else:
        inputs = [first_free_name(f"inputs{number}", used) for number in range(1, len(function.inputs) + 1)]
    names = dict(zip(function.inputs, inputs, strict=True))
    used |= set(inputs)
    readers: dict[Token, list[int]] = {}
    for place, statement in enumerate(function.statements):
        for token in (*statement.inputs, *(() if statement.layer is None else (statement.layer,))):
            readers.setdefault(token, []).append(place)
    for token in function.outputs:
        readers.setdefault(token, []).append(len(function.statements))
    for place, statement in enumerate(function.statements):
        for token in statement.outputs:
            if set(readers.get(token, ())) <= {place + 1} and statement.form != "bind" and len(statement.outputs) == 1:
                names[token] = _FLOW
                continue
            base = make_identifier(statement.name, used)
            base = f"{base}_layer" if statement.form == "bind" else base
            names[token] = first_free_name(base if base.isidentifier() else f"layer_{base}", used)
            used.add(names[token])
    return names


def _statement_lines(statement: Statement, call: Any, names: dict[Token, str], prefix: str) -> Iterator[str]:
    inputs = [names[token] for token in statement.inputs]
    before = f"{', '.join(names[token] for token in statement.outputs)} = "
    if statement.form == "range":
        yield f"{INDENT}{before}{_write_range(inputs[0], call)}"
        return
    if statement.form in ("function", "block"):
        given = tuple(CallArgument("", ParameterReference(value)) for value in inputs)
        call = ModuleCall(call.target, (*given, *call.arguments))
    if statement.form != "function":
        text = f'{"f" if prefix else ""}"{prefix}{statement.name}"'
        call = ModuleCall(call.target, (*call.arguments, CallArgument("name", ParameterReference(text), ALWAYS_NAMED)))
    after = "" if statement.form in ("function", "block", "bind") else _write_inputs(statement.form, inputs)
    if statement.layer is not None:
        yield f"{INDENT}{before}{names[statement.layer]}{after}"
        return
    *lines, last = expression_lines(call, 1, before, after)
    yield from lines
    if len(last) > WIDTH and statement.form == "list":
        yield from wrap_items(last[: last.rindex("[") + 1], inputs, "])", 1)
    else:
        yield last


def _write_inputs(form: str, inputs: list[str]) -> str:
    if form in ("list", "reversed"):
        return f"([{', '.join(inputs if form == 'list' else reversed(inputs))}])"
    if form == "arguments" and len(inputs) == 1:
        inputs = inputs * 2  # attention of a sequence to itself
    return f"({', '.join(inputs)})"


def _write_range(value: str, call: ModuleCall) -> str:
    """Return an expression such as `x[:, :, :, 0:58]`."""
    arguments = {argument.name: write_value(argument.value) for argument in call.arguments}
    bounds = f"{arguments['start']}:{arguments['stop']}"
    bounds += "" if arguments["step"] == "1" else f":{arguments['step']}"
    ranges = [":"] * int(arguments["rank"])
    ranges[int(arguments["axis"])] = bounds
    return f"{value}[{', '.join(ranges)}]"
