"""The report in every form: Markdown, HTML, JUnit, GitHub, a record for machines, pictures."""
