"""The verbs of the command line, a file each; `__main__` holds their grammar."""
