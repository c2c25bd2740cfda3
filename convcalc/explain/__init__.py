"""Every figure as a person would derive it on paper, and how other tools come to theirs."""
