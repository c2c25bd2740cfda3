"""Reads Caffe's networks (`.prototxt`): the text format, the rules of the layers, and the reader."""
