"""The types that every stage speaks, the evidence store and the renderer."""
