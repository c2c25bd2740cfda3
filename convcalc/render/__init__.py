"""From reports and problems to text, JSON, CSV and Markdown. Only this package imports rich."""
