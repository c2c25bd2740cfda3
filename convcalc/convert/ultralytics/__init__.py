"""Imports the model YAML of Ultralytics YOLO (v3 to 26) without PyTorch.

Written from the public documentation of the format and the published architectures; it contains no code of the package.
`modules.MODULES` is the list of supported modules.
"""
