"""Reads OpenVINO's models (IR, `.xml`): the file, its constants, and the translation to ONNX's operators."""
