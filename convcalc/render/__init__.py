"""From reports and problems to text. rich is known only here."""
