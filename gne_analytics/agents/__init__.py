"""The language-model side: the deterministic narrator, the checks of every claim, the model behind both."""
