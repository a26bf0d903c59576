"""Other people's exams, taken by our Model."""
