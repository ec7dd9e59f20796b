"""dpi run: the daemon, inline, in the network namespace in which it is started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from dpi.cli.policy_file import DEFAULT, FILE, STATE_DIR, set_option
from dpi.errors import DpiError


@click.command("run")
@click.option(
    "--config",
    type=FILE,
    default=DEFAULT,
    show_default=True,
    help="The policy; drop-ins are beside it in NAME.d/.",
)
@set_option
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    default=STATE_DIR,
    show_default=True,
    help="Where what the kernel was before is remembered.",
)
@click.option(
    "--versions-dir",
    type=click.Path(path_type=Path),
    default=Path("/var/lib/dpi/versions"),
    show_default=True,
    help="Where the policies that were in force are kept.",
)
@click.option(
    "--watchdog",
    type=click.FloatRange(0.5, 60),
    default=2.0,
    show_default=True,
    help="Seconds without a sign of life after which a worker is killed and started again.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(
    config: Path, sets: tuple[str, ...], state_dir: Path, versions_dir: Path, watchdog: float, verbose: bool
) -> None:
    """Run inline: classify, shape and steer what passes this box.

    SIGHUP, `dpi policy apply` or a changed file put the policy in force anew; SIGTERM leaves the kernel as the
    policy's `on_exit` says.
    """
    import logging

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(levelname).1s %(name)s: %(message)s" if os.environ.get("JOURNAL_STREAM") else LOG_FORMAT,
        stream=sys.stderr,
    )
    if os.geteuid() != 0:
        raise DpiError("dpi run: root is needed (queues, nftables, tc)")
    from dpi import enforce
    from dpi.daemon.state import Options
    from dpi.daemon.supervise import supervise
    from dpi.daemon.worker import work

    options = Options(config.absolute(), sets, state_dir.absolute(), versions_dir.absolute())
    code = supervise(lambda heart: work(options, heart), lambda: void(enforce.clean(state_dir=state_dir)), watchdog)
    sys.exit(code)


LOG_FORMAT = "%(asctime)s %(levelname).1s %(name)s: %(message)s"


def void(_: object) -> None:
    """Of a call, only that it was made."""
