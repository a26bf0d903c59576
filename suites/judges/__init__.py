"""A rubric and a Model -> JudgeVerdicts on pairs of answers."""
