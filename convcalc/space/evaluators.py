"""Chooses the evaluator of a design space: `make_evaluator` takes the document of a spec, and settings for all rows."""

from convcalc.space.evaluation import Evaluator, Setup
from convcalc.space.traced_evaluator import TracedEvaluator
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network


def make_evaluator(document: Document, setup: Setup, rows: int = 0) -> Evaluator:
    """Return the evaluator of a document that is fastest for about this number of rows."""
    return TracedEvaluator(lambda overrides: read_network(document, overrides), setup, rows)
