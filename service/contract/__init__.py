"""What a ticket, its tokens, a task and a bundle are: the one definition that training, export
and service share.
"""
