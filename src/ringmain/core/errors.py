"""Errors that people read: what happened, where, and what to do next, under a stable code."""


class RingmainError(Exception):
    """One line for stderr, such as ``RM104 journal: batch 88 fails its checksum. Run "..."``.

    Parameters
    ----------
    code : str
        Stable code, ``RM`` and three digits; docs/reference/errors.md lists them.
    where : str
        The part that speaks: ``journal``, ``ring``, ``gateway``.
    what : str
        What happened, as a sentence without its full stop.
    next_step : str
        What the reader can do now, as a sentence without its full stop.
    """

    def __init__(self, code: str, where: str, what: str, next_step: str) -> None:
        super().__init__(f"{code} {where}: {what}. {next_step}.")
        self.code = code
        self.where = where
        self.what = what
        self.next_step = next_step
