"""Finished runs come in; whether learning the tasks together helped goes out, with statistics."""
