"""Chooses the evaluator of a design space: `make_evaluator` takes the document of a spec, and settings for all rows."""

from convcalc.space.evaluation import Evaluator, Setup
from convcalc.space.traced_evaluator import TracedEvaluator
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network


def make_evaluator(document: Document, setup: Setup, rows: int = 0) -> Evaluator:
    """Return the fastest evaluator for the networks that a document describes; about `rows` will be evaluated."""
    return TracedEvaluator(lambda overrides: read_network(document, overrides), setup, rows)
