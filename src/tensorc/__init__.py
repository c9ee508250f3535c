"""tensorc: NumPy-style mathematics, compiled to native code."""
