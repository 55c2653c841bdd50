"""The programs that run inside a peer's own virtual environment: of Harbor they load one another
and the file of the text rule, nothing else.
"""
