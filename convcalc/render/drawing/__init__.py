"""Draws networks: `graph`, `stack`, `field` and `memory` make scenes, and `svg` and `tikz` write a scene as text.

`plot` makes scenes of data: marks, curves and rectangles between two axes. `diagram` folds a network into boxes and
arrows, which `layout` places; `dot` and `mermaid` write them without placing.
"""
