"""Reads the ruleset of this network namespace: all of nftables and iptables but what is ours."""

from __future__ import annotations

import shutil
from pathlib import Path

from dpi.enforce.doctor import iptables_save, nft_json
from dpi.enforce.doctor.ruleset import Ruleset
from dpi.enforce.run import attempt, first_line


def read_ruleset(proc_net: Path) -> Ruleset:
    """What could not be read is among its faults."""
    whole = Ruleset()
    covered: set[tuple[str, str]] = set()
    for tool, family, proc in (("iptables", "ip", "ip_tables_names"), ("ip6tables", "ip6", "ip6_tables_names")):
        for variant in ("", "-legacy"):
            program = f"{tool}{variant}-save"
            if not shutil.which(program):
                continue
            # Only where tables of the old kind are in use: to ask would load modules.
            names = proc_net / proc
            if variant and not (names.exists() and names.read_text().split()):
                continue
            code, saved, fault = attempt([program])
            if code:
                whole.faults.append(f"{program}: {first_line(fault)}")
                continue
            whole.extend(iptables_save.parse(saved, program))
            if not variant:
                covered |= {(family, table) for table in iptables_save.tables(saved)}
    code, listed, fault = attempt(["nft", "-j", "-t", "list", "ruleset"])
    if code:
        whole.faults.append(f"nft: {first_line(fault)}")
    else:
        whole.extend(nft_json.parse(listed, covered))
    return whole
