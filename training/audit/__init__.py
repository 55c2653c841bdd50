"""The audit of a table of tickets: what would leak a label, before anything is trained."""

from training.audit.audit import audit_table, run_audit, write_audit
from training.audit.finding import Audit, Finding, Severity

__all__ = ["Audit", "Finding", "Severity", "audit_table", "run_audit", "write_audit"]
