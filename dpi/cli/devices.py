"""`dpi devices`: the devices of the LAN by what their DHCP messages show, as the running daemon has heard them."""

from __future__ import annotations

import click

from dpi.cli.output import ago, json_option, print_json, print_table
from dpi.control import call

COLUMNS = ("mac", "kind", "by", "host name", "vendor class", "addresses", "heard", "options")


@click.command("devices")
@click.argument("who", required=False)
@click.option("--kind", help="Only devices of this kind; `unknown`: those of none.")
@json_option
def command(who: str | None, kind: str | None, as_json: bool) -> None:
    """List the devices that have asked for an address by DHCP, the one heard of last first.

    WHO is a MAC address, an address or a host name of one.  The options that a device of no known kind asks for are
    what a signature file can name its kind by.

    \b
    dpi devices
    dpi devices --kind android
    dpi devices 10.0.0.5
    """
    answer = call("devices")
    found = [
        each
        for each in answer["devices"]
        if (kind is None or kind == (each["kind"] or "unknown"))
        and (who is None or who.lower() in (each["mac"], each["name"].lower(), *each["addresses"]))
    ]
    if as_json:
        print_json(found)
    else:
        print_table(
            COLUMNS,
            [
                (
                    each["mac"],
                    each["kind"] or "unknown",
                    each["by"],
                    each["name"],
                    each["vendor"],
                    " ".join(each["addresses"]),
                    ago(each["heard"]),
                    "" if each["kind"] else each["dhcp"] or each["dhcp6"],
                )
                for each in found
            ],
        )
    for error in answer["errors"]:
        click.echo(error, err=True)
    if who is not None and not found:
        raise SystemExit(1)
