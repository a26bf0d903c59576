"""The bar a fine-tune has to clear: ways to prompt the base model, and the choice of the best one."""
