"""The entry of ``skyctl``. Asking for the version costs no import of anything else."""

from __future__ import annotations

import sys


def main() -> None:
    arguments = sys.argv[1:]
    if arguments in (["version"], ["--version"]):
        from controller import __version__

        print(f"skyctl {__version__}")
        return
    from controller.cli.root import invoke

    sys.exit(invoke(arguments))


if __name__ == "__main__":
    main()
