"""The HTTP interface: requests come in; replies and problem documents go out."""
