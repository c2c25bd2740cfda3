"""Imports TFLite models (LiteRT)."""
