"""`dpi`, and `python -m dpi`: starts the command line."""

from __future__ import annotations

import gc


def main() -> None:
    """Runs the CLI.

    Nearly all that is made while a command starts stays to its end: to look for garbage in it costs milliseconds, and
    to look once more when the process ends as many again.
    """
    gc.set_threshold(50_000)  # objects, where Python has 700; before anything else is imported
    from dpi.cli import main as cli

    try:
        cli()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
