"""The one error that people see: what was found, where, and what to type next."""


class UserError(Exception):
    """Something the person can mend; its text is shown as it is, without a traceback (exit code 2)."""
