"""Passes over modules: rewriting, lowering, differentiation. May import `ir` and `ops`; one file a pass."""
