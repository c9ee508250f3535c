"""The IR: types, attributes, operations, text, verification, rewriting.

Imports nothing of the rest of the package. The meaning of an operation lives in `tensorc.ops`; this layer
knows it only through `OpDefinition` (`ir/definition.py`), looked up by name in `ir.definition.REGISTRY`.
"""
