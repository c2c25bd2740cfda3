"""Chooses the evaluator of a design space: `make_evaluator` takes the document of a spec, and settings for all rows."""

from convcalc.space.evaluation import Evaluator, Setup
from convcalc.space.traced_evaluator import TracedEvaluator
from convcalc.spec.document import Document
from convcalc.spec.reader import read_network


def make_evaluator(document: Document, setup: Setup) -> Evaluator:
    """Return the fastest evaluator for the networks that a document describes."""
    return TracedEvaluator(lambda overrides: read_network(document, overrides), setup)
