"""What good means: examples, checks, metrics, judge rubrics. The exam does not know the student."""
