"""The main job: real models trained on real data. Uses only the public face of the package;
needs the `demo` extra.

May import everything; nothing imports it but the command line.
"""
