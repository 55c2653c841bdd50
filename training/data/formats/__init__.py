"""A file's bytes come in; its columns and raw records go out, one module for each format."""
