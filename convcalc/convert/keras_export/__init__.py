"""Writes networks as Keras models."""
