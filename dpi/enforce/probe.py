"""What this kernel offers, found out by trying it in a network namespace that is thrown away.

Versions say little: distributions leave parts out, modules may not be installed.  So every feature is used
once, in a namespace of its own.  The answer holds for this boot and these tools, and is
kept in a file of that name; `fresh=True` tries again (a module may have been installed since).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpi.enforce.namespace import in_new_namespace
from dpi.enforce.run import run
from dpi.enforce.state import boot_id
from dpi.errors import DpiError, KernelError
from dpi.policy.plan import Leaf


@dataclass(frozen=True)
class Features:
    """True: it worked.  The comment says what it is for."""

    nft: bool = False  # nf_tables with everything that our table uses
    nft_queue: bool = False  # nft's queue statement
    nft_bridge: bool = False  # the bridge table: conntrack on bridges, reject, queue
    hashing: bool = False  # nft's jhash, by which one of several machines is chosen
    tproxy: bool = False  # nft's tproxy, socket and fib
    policing: bool = False  # nft's limits for each key of a set, and for a connection's id
    nflog: bool = False  # nft's log to a group of nfnetlink_log
    iptables_queue: bool = False  # -m connmark, -j NFQUEUE --queue-balance --queue-bypass
    ip6tables_queue: bool = False
    htb: bool = False
    cake: bool = False
    fq_codel: bool = False
    bfifo: bool = False
    ifb: bool = False
    redirect: bool = False  # clsact, bpf filters, mirred
    act_connmark: bool = False
    act_ctinfo: bool = False
    policy_routing: bool = False  # ip rule fwmark/mask with a protocol, IPv4 and IPv6
    accounting: bool = False  # nf_conntrack_acct
    conntrack_events: bool = False  # ctnetlink
    nft_version: str = ""

    def leaves(self) -> tuple[Leaf, ...]:
        kinds: tuple[Leaf, ...] = ("cake", "fq_codel", "bfifo")
        return tuple(kind for kind in kinds if getattr(self, kind))


def probe(cache: Path | None = None, *, fresh: bool = False) -> Features:
    """The features, from `cache` (a folder) when this boot's are there.  Needs root."""
    version = nft_version()
    file = cache / f"probe-{boot_id()}.json" if cache else None
    if file and not fresh:
        with contextlib.suppress(OSError, ValueError, TypeError):
            kept = json.loads(file.read_text())
            if kept.keys() == Features.__dataclass_fields__.keys() and kept["nft_version"] == version:
                return Features(**kept)
    features = Features(**in_new_namespace(try_all), nft_version=version)
    if file:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(features), indent=1))
    return features


def nft_version() -> str:
    """As in `1.0.6`; empty where nft is not installed."""
    with contextlib.suppress(KernelError):
        words = run(["nft", "--version"]).split()
        return words[1].lstrip("v") if len(words) > 1 else ""
    return ""


NFT = """table inet dpi_probe {
	counter one { }
	map counted { type mark : counter; elements = { 0x10000 : "one" } }
	map classes { type mark : classid; elements = { 0x10000 : 1:2 } }
	map paths { type ifname . ifname : verdict; elements = { "a" . "b" : drop } }
	set learnt { type ipv4_addr; size 16; flags dynamic,timeout; }
	chain refuse { meta l4proto tcp reject with tcp reset; reject with icmpx admin-prohibited; }
	chain steer {
		type filter hook prerouting priority -150; policy accept;
		ct state new ct status ! confirmed ip daddr @learnt meta mark set meta mark | 0x10000
	}
	chain see {
		type filter hook forward priority -149; policy accept;
		counter name ct mark & 0x10000 map @counted
		meta priority set ct mark & 0x10000 map @classes
		ct direction original update @learnt { ip daddr timeout 1m }
		ip dscp set 10
		iifname . oifname vmap @paths
	}
}
"""
NFT_QUEUE = """table inet dpi_probe_queue {
	chain see { type filter hook forward priority -150; ct mark & 0x10000 == 0 queue flags bypass to 0-1; }
}
"""
NFT_BRIDGE = """table bridge dpi_probe {
	chain come { type filter hook prerouting priority -150; ct mark 1 reject with icmpx admin-prohibited; }
	chain see { type filter hook forward priority -150; ct mark & 0x10000 == 0 queue flags bypass to 0-1; }
}
"""
NFT_HASH = """table inet dpi_probe_hash {
	chain see {
		jhash ip saddr mod 4 seed 0x1 vmap { 0 : accept, 1 : drop }
		jhash ip6 saddr & ffff:ffff:ffff:ffff:: mod 4 seed 0x1 vmap { 0 : accept, 1 : drop }
	}
}
"""
NFT_TPROXY = """table inet dpi_probe_tproxy {
	chain see {
		type filter hook prerouting priority -150; policy accept;
		fib daddr type local return
		socket transparent 1 return
		meta l4proto tcp tproxy ip to 127.0.0.1:3129 return
		meta l4proto tcp tproxy ip6 to [::1]:3129 return
	}
}
"""
NFT_POLICE = """table inet dpi_probe_police {
	set hosts { type ipv4_addr; size 16; flags dynamic,timeout; timeout 1m; }
	set flows { typeof ct id; size 16; flags dynamic,timeout; timeout 1m; }
	chain see {
		update @hosts { ip saddr limit rate over 1000 bytes/second burst 65536 bytes } drop
		update @flows { ct id limit rate over 1000 bytes/second burst 65536 bytes } drop
		limit rate over 1000 bytes/second burst 65536 bytes drop
	}
}
"""
NFT_LOG = """table inet dpi_probe_log {
	chain see { log group 1 snaplen 128; }
}
"""
IPTABLES = """*mangle
:DPI-PROBE - [0:0]
-A DPI-PROBE -m connmark --mark 0/0x10000 -j NFQUEUE --queue-balance 0:1 --queue-bypass
COMMIT
"""


def try_all() -> dict[str, bool]:
    """Every feature, in this process's namespace, which had better be a scratch one."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as ip:
        lo = ip.link_lookup(ifname="lo")[0]
        ip.link("set", index=lo, state="up")
        tries: dict[str, Callable[[], Any]] = {
            "nft": lambda: run(["nft", "-f", "-"], NFT),
            "nft_queue": lambda: run(["nft", "-f", "-"], NFT_QUEUE),
            "nft_bridge": lambda: run(["nft", "-f", "-"], NFT_BRIDGE),
            "hashing": lambda: run(["nft", "-f", "-"], NFT_HASH),
            "tproxy": lambda: run(["nft", "-f", "-"], NFT_TPROXY),
            "policing": lambda: run(["nft", "-f", "-"], NFT_POLICE),
            "nflog": lambda: run(["nft", "-f", "-"], NFT_LOG),
            "iptables_queue": lambda: run(["iptables-restore"], IPTABLES),
            "ip6tables_queue": lambda: run(["ip6tables-restore"], IPTABLES),
            "htb": lambda: _qdisc(ip, lo, "htb"),
            "cake": lambda: _qdisc(ip, lo, "cake"),
            "fq_codel": lambda: _qdisc(ip, lo, "fq_codel"),
            "bfifo": lambda: _qdisc(ip, lo, "bfifo"),
            "ifb": lambda: ip.link("add", ifname="dpi-probe", kind="ifb"),
            "redirect": lambda: _redirect(ip),
            "act_connmark": lambda: _action("connmark"),
            "act_ctinfo": lambda: _action("ctinfo", "cpmark"),
            "policy_routing": lambda: _rules(ip),
            "accounting": lambda: Path("/proc/sys/net/netfilter/nf_conntrack_acct").read_text(),
            "conntrack_events": _events,
        }
        worked = {}
        for name, attempt_it in tries.items():
            try:
                attempt_it()
                worked[name] = True
            except (DpiError, NetlinkError, OSError):
                worked[name] = False
        return worked


def _qdisc(ip: Any, index: int, kind: str) -> None:
    from dpi.enforce.qdisc import message
    from dpi.enforce.qdisc.leaf import Purpose
    from dpi.enforce.qdisc.leaves import KINDS, encode

    options: Any = {"attrs": [["TCA_HTB_INIT", {"version": 3, "rate2quantum": 10, "defcls": 0}]]}
    if kind in KINDS:
        options = encode(KINDS[kind][0](Purpose("down", 10**7)))
    message.send(ip, "add qdisc", index, parent=message.ROOT, handle=0xD10000, kind=kind, options=options)
    message.send(ip, "delete qdisc", index, parent=message.ROOT, handle=0xD10000)


def _redirect(ip: Any) -> None:
    from dpi.enforce.qdisc.ifb import Redirect, read_redirects
    from dpi.enforce.resource import Handles
    from dpi.enforce.state import StateFile

    wanted = Redirect("lo", "dpi-probe", 0x10000, 0x10000)
    wanted.add(Handles(ip, StateFile(None)))
    names = {ip.link_lookup(ifname=name)[0]: name for name in ("lo", "dpi-probe")}
    if read_redirects(names) != [wanted]:
        raise KernelError("clsact does not keep the filter")


def _action(*words: str) -> None:
    run(["tc", "actions", "add", "action", *words])


def _rules(ip: Any) -> None:
    from dpi.enforce.resource import Handles
    from dpi.enforce.routes import MarkRule, read_rules
    from dpi.enforce.state import StateFile

    for version in (4, 6):
        MarkRule(version, 100, 0x10000, 0x10000, 26000).add(Handles(ip, StateFile(None)))
    if len(read_rules(ip)) != 2:
        raise KernelError("the kernel does not keep the protocol of a rule")


def _events() -> None:
    import socket

    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netfilter:  # NETLINK_NETFILTER
        netfilter.bind((0, 0))
        netfilter.setsockopt(270, 1, 3)  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_CONNTRACK_DESTROY
