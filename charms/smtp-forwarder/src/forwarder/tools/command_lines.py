"""Command lines whose errors end with `EX_USAGE`, as those of mail tools do."""

import argparse
from typing import NoReturn

from forwarder.tools import failures


class Parser(argparse.ArgumentParser):
    """A parser that raises."""

    def error(self, message: str) -> NoReturn:
        """Raise the error.

        Raises:
            failures.UsageError: always.
        """
        raise failures.UsageError(f"{message}; see {self.prog} --help")
