"""Renders reports and problems as text, JSON, CSV and Markdown. Only this package imports rich."""
