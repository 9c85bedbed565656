"""The policy config: its model, its predicate language, its files, its edits and its own tests."""
