"""Reads the NET arguments of a command that takes several: patterns, folders, and parameters that only some have."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from convcalc import examples
from convcalc.analysis.report import Report, analyse
from convcalc.check.discovery import choose_files
from convcalc.cli import common, writing
from convcalc.problems import InvalidSpec, did_you_mean, printable, show
from convcalc.spec.document import Document
from convcalc.spec.inputs import Overrides
from convcalc.spec.net_argument import join_net, split_net

_UNREADABLE = 2


class ReadNetwork(NamedTuple):
    """A network that was read: its NET argument, its document, and its report."""

    argument: str
    document: Document
    report: Report


def list_nets(arguments: Sequence[str]) -> list[str]:
    """Return the NET arguments, with patterns and folders replaced by the names of their specs.

    Raises Failure if a pattern matches no example, or if the text after the `@` of an argument is malformed.
    """
    return list(choose_files(_expand_patterns(arguments)).files)


def read_networks(
    nets: Sequence[str], overrides: Overrides, where: writing.Output, analysis: Mapping[str, Any]
) -> tuple[list[ReadNetwork], list[tuple[str, InvalidSpec]], int]:
    """Return the networks, the errors in specs by their NET arguments, and the exit status 2 or 0.

    The status is 2 if a file cannot be opened, which is reported on standard error. `--set` sets a spec parameter of
    all networks that have it; raises Failure if there is none. `analysis` are options of `analyse`.
    """
    documents, wrong, status = _read_documents(nets, overrides, where)
    _check_parameters(overrides, [document for _, document, _ in documents])
    found = []
    for argument, document, remaining in documents:
        try:
            _, given = common.split_params(argument, _drop_unknown_parameters(remaining, document))
            report = analyse(common.build_network(document, given, where), **analysis)
            found.append(ReadNetwork(argument, document, report))
        except InvalidSpec as error:
            wrong.append((argument, error))
    return found, wrong, status


def label_networks(networks: Sequence[ReadNetwork]) -> list[str]:
    """Return a label for each network: its name and its parameters, as in `resnet18@width=0.5`.

    If several networks have the same label, their NET arguments are the labels.
    """
    names = [join_net(one.report.network.name, split_net(one.argument)[1]) for one in networks]
    return [name if names.count(name) == 1 else one.argument for name, one in zip(names, networks, strict=True)]


def _expand_patterns(nets: Sequence[str]) -> list[str]:
    """Replace each pattern of examples, such as `example:mobilenet*`, by the names of the examples that match it.

    Raises Failure if a pattern matches no example, or if the text after the `@` of an argument is malformed.
    """
    from fnmatch import fnmatchcase

    found: list[str] = []
    for argument in nets:
        common.split_params(argument, Overrides())
        net, params = split_net(argument)
        if not (net.startswith(examples.PREFIX) and any(character in net for character in "*?[")):
            found.append(argument)
            continue
        names = [name for name in map(examples.PREFIX.__add__, examples.list_names()) if fnmatchcase(name, net)]
        if not names:
            raise writing.Failure(f"the pattern {show(net)} matches no example")
        found += [join_net(name, params) for name in names]
    return found


def _read_documents(
    files: Sequence[str], overrides: Overrides, where: writing.Output
) -> tuple[list[tuple[str, Document, Overrides]], list[tuple[str, InvalidSpec]], int]:
    """Return the documents with the overrides that still apply, the errors in files that are not text, and a status.

    The exit status is 2 if a file cannot be opened, else 0. Files that cannot be opened are reported on standard error.
    """
    found: list[tuple[str, Document, Overrides]] = []
    wrong: list[tuple[str, InvalidSpec]] = []
    status = 0
    for file in files:
        try:
            net, given = common.split_params(file, overrides)
            found.append((file, *common.read_document(net, given, where)))
        except writing.Failure as failure:
            sys.stderr.write(f"convcalc: {printable(failure.message)}\n")
            status = _UNREADABLE
        except InvalidSpec as error:
            wrong.append((file, error))
    return found, wrong, status


def report_problem(file: str, error: InvalidSpec, where: writing.Output) -> int:
    """Print the problems of one network on standard error, and return the exit status."""
    refused = writing.find_refusal(error)
    if refused is None:
        writing.print_invalid(error, where)
        return writing.WRONG_NETWORK
    sys.stderr.write(f"convcalc: {printable(file)}: {refused}\n")
    return _UNREADABLE


def _declared_parameters(document: Document) -> dict[str, Any]:
    """Return the spec parameters that a document declares, unchecked; empty if it declares none.

    For a model file, these are the parameters with which it was read.
    """
    if document.model is not None:
        return dict.fromkeys(document.model.parameters)
    params = document.root.get("params") if isinstance(document.root, dict) else None
    return params if isinstance(params, dict) else {}


def _check_parameters(overrides: Overrides, documents: Sequence[Document]) -> None:
    """Raise Failure if --set names a spec parameter that no document declares."""
    known = {name: None for document in documents for name in _declared_parameters(document)}
    for name in overrides.params:
        if documents and name not in known:
            hint = did_you_mean(name, known)
            raise writing.Failure(f"no network has the spec parameter {show(name)}{f': {hint}' if hint else ''}")


def _drop_unknown_parameters(overrides: Overrides, document: Document) -> Overrides:
    params = {name: value for name, value in overrides.params.items() if name in _declared_parameters(document)}
    return overrides.with_params(params)
