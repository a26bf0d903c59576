"""Files, Hub datasets and every common format -> examples and preferences; and how they are split."""
