"""One frozen experiment: its file, its arms and exams, its data, its place in the store."""
