"""What was found, before people and pipelines: the terminal, JUnit, GitHub, Markdown, and `page`."""
