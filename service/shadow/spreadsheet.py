"""A cell of a CSV file comes in; one that no spreadsheet runs as a formula goes out, and back."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Of OWASP's page on CSV injection; the wide signs are formulas to an East Asian spreadsheet."""
_GUARD = "'"


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return _GUARD + cell if cell.startswith((*_FORMULA, _GUARD)) else cell


def bare(cell: str) -> str:
    """The cell as it was before `guarded`."""
    return cell[1:] if cell.startswith(tuple(_GUARD + one for one in (*_FORMULA, _GUARD))) else cell
