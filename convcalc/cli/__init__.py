"""The command line. click is known only here; a command is a file."""
