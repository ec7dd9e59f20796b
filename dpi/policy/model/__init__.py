"""What a policy may say: the models that a file is checked against, key by key.

The descriptions here are the ones in the published JSON Schema, hence in an editor's help.  Only what one key
can tell by itself is checked here; what takes two of them is in checks/.
"""
