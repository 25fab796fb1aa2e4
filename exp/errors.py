"""Errors that a user can fix: one line says what is wrong, where, and what to do."""

from data_provider import DataError
from models import ConfigError
from ts_ad_evaluation import EvaluationError


class UserError(ValueError):
    """A wrong option, file or state of a run."""


# What the command lines report in one line, with exit code 2; everything else is a bug.
USER_ERRORS = (UserError, ConfigError, DataError, EvaluationError)
