"""One file a peer: how its threads are set, how arrays go in and out, and its programs as its experts write
them.
"""
