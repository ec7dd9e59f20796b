"""Whatever is wrong with a policy is found, at its place, in words that help, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_texts import CLASSES, HEAD, LINK, findings

from dpi.errors import Finding, FindingsError
from dpi.policy.names import Machine

# What is wrong, and how the findings on it start.
WRONG = {
    "a missing key": (HEAD + "link: {down: 1gbit}\n", ["3:1: link: `up` is missing"]),
    "an unknown key": (
        CLASSES + "rules: {a: {shap: video}}\n",
        ["7:13: rules.a.shap: unknown key; did you mean shape?"],
    ),
    "a key without value": (
        CLASSES + "rules: {a: {match: {app: }, shape: video}}\n",
        ["7:26: rules.a.match.app: has no value"],
    ),
    "a list for a word": (
        CLASSES + "rules: {a: {shape: [video]}}\n",
        ["7:20: rules.a.shape: expected text, not a list"],
    ),
    "a word for a mapping": (HEAD + "rules: {a: video}\n", ["3:12: rules.a: expected keys and values, not 'video'"]),
    "yes for true": (HEAD + "rules: {a: {allow: yes}}\n", ["3:20: rules.a.allow: expected true or false, not 'yes'"]),
    "a bad name": (HEAD + "rules: {a b: {allow: true}}\n", ["3:9: rules.a b: 'a b' is no name"]),
    "a bad version": (HEAD.replace("1", "2", 1), ["1:10: version: 2 is not one of 1"]),
    "a number out of range": (
        CLASSES.replace("default: true", "default: true, priority: 9"),
        ["6:81: classes.rest.priority: 9: must be at most 7"],
    ),
    "an unknown class": (
        CLASSES + "rules: {a: {shape: vidoe}}\n",
        ["7:20: rules.a.shape: there is no class vidoe; did you mean video?"],
    ),
    "an unknown app": (
        CLASSES + "rules: {a: {match: {app: [youtube, netflx]}, shape: video}}\n",
        ["7:36: rules.a.match.app[1]: there is no app or protocol netflx; did you mean netflix?"],
    ),
    "an unknown category": (
        CLASSES + "rules: {a: {match: {category: vidio}, shape: video}}\n",
        ["7:31: rules.a.match.category[0]: there is no category vidio; did you mean video?"],
    ),
    "an app for a protocol": (
        CLASSES + "rules: {a: {match: {protocol: netflix}, shape: video}}\n",
        ["7:31: rules.a.match.protocol[0]: there is no protocol netflix"],
    ),
    "an unknown group": (
        HEAD + "groups: {staff: 10.0.0.0/8}\nrules: {a: {match: {local: staf}, allow: true}}\n",
        ["4:28: rules.a.match.local[0]: there is no group staf; did you mean staff?"],
    ),
    "an empty group": (HEAD + "groups: {staff: []}\n", ["3:17: groups.staff: the list is empty"]),
    "an unknown cache": (HEAD + "rules: {a: {route: box}}\n", ["3:20: rules.a.route: there is no cache box"]),
    "an unknown rule": (
        HEAD + "rules: {a: {before: b, allow: true}}\n",
        ["3:21: rules.a.before: there is no rule b"],
    ),
    "rules that wait for each other": (
        HEAD + "rules: {a: {before: b, allow: true}, b: {before: a, log: true}}\n",
        ["3:21: rules.a.before: a and b wait for each other", "3:50: rules.b.before: b and a wait for each other"],
    ),
    "a rule without action": (HEAD + "rules: {a: {match: {port: 1}}}\n", ["3:9: rules.a: does nothing"]),
    "block and shape": (
        CLASSES + "rules: {a: {shape: video, block: drop}}\n",
        ["7:13: rules.a.shape: `block` leaves nothing to shape"],
    ),
    "block and route": (
        HEAD + "caches: {c: {next_hop: 10.0.0.1}}\nrules: {a: {route: c, block: drop}}\n",
        ["4:13: rules.a.route: `block` leaves nothing to route"],
    ),
    "allow and dscp": (
        HEAD + "rules: {a: {allow: true, dscp: ef}}\n",
        ["3:13: rules.a.allow: `allow` leaves traffic alone"],
    ),
    "a rule named default": (HEAD + "rules: {default: {allow: true}}\n", ["3:9: rules.default: `default` is what"]),
    "a port of icmp": (
        HEAD + "rules: {a: {match: {transport: icmp, port: 7}, allow: true}}\n",
        ["3:44: rules.a.match.port: icmp has no ports"],
    ),
    "a bad host pattern": (
        HEAD + "rules: {a: {match: {host: 'a*b.org'}, allow: true}}\n",
        ["3:27: rules.a.match.host[0]: 'a*b.org': a star can only stand"],
    ),
    "host bits": (
        HEAD + "rules: {a: {match: {remote: 10.0.0.1/8}, allow: true}}\n",
        ["3:29: rules.a.match.remote[0]: 10.0.0.1/8 has host bits set; write 10.0.0.0/8"],
    ),
    "a vlan out of range": (
        HEAD + "rules: {a: {match: {vlan: 5000}, allow: true}}\n",
        ["3:27: rules.a.match.vlan[0]: 5000: must be at most 4094"],
    ),
    "classes without a link": (
        HEAD + "classes: {a: {rate: 1mbit, default: true}}\n",
        ["3:1: classes: `link` is missing: classes are shares of it"],
    ),
    "no default class": (LINK + "classes: {a: {rate: 1mbit}}\n", ["4:1: classes: no class is the default"]),
    "two default classes": (
        LINK + "classes:\n  a: {rate: 1mbit, default: true}\n  b: {rate: 1mbit, default: true}\n",
        ["6:29: classes.b.default: a is the default already, at "],
    ),
    "a default class for one direction": (
        LINK + "classes: {a: {rate: {down: 1mbit}, default: true}}\n",
        ["4:21: classes.a.rate: the default class needs a rate for up too"],
    ),
    "an unknown parent": (
        CLASSES + "  c: {parent: vido, rate: 1mbit}\n",
        ["7:15: classes.c.parent: there is no class vido; did you mean video?"],
    ),
    "a ring of classes": (
        CLASSES + "  a: {parent: b, rate: 1mbit}\n  b: {parent: a, rate: 1mbit}\n",
        ["7:15: classes.a.parent: a class cannot be below itself: a → b → a", "8:15: classes.b.parent: a class cannot"],
    ),
    "a rule into an inner class": (
        CLASSES + "  c: {parent: video, rate: 1mbit}\nrules: {a: {shape: video}}\n",
        ["8:20: rules.a.shape: video has classes below it; choose one: c"],
    ),
    "a queue for an inner class": (
        LINK + "classes:\n  a: {rate: 10mbit, leaf: cake}\n  b: {parent: a, rate: 1mbit, default: true}\n",
        ["5:27: classes.a.leaf: has classes below it (b), so no queue"],
    ),
    "a rate over the link": (
        CLASSES.replace("20mbit, up: 2mbit", "200mbit, up: 2mbit"),
        ["5:17: classes.video.rate: down: 200mbit is over the link's 100mbit"],
    ),
    "a ceil under the rate": (
        CLASSES.replace("up: 2mbit}", "up: 2mbit}, ceil: 10mbit"),
        ["5:50: classes.video.ceil: down: 10mbit is under the rate of 20mbit"],
    ),
    "a rate over what the parent may take": (
        CLASSES + "  c: {parent: video, rate: {down: 30mbit}}\n",
        ["7:28: classes.c.rate: down: 30mbit is over what video may take, 20mbit"],
    ),
    "a parent without the direction": (
        CLASSES + "  a: {rate: {down: 9mbit}}\n  c: {parent: a, rate: 1mbit}\n",
        ["8:24: classes.c.rate: up: the parent a has no rate for it"],
    ),
    "megabytes": (
        CLASSES.replace("20mbit, up", "20mbps, up"),
        ["5:24: classes.video.rate.down: 20mbps: tc reads mbps as bytes"],
    ),
    "rates that have no link to be a share of": (
        HEAD + "rules:\n  a: {match: {app: netflix}, per_host: 10%}\n",
        ["4:40: rules.a.per_host: a share of what?  `link` is missing"],
    ),
    "a rate for no direction": (
        HEAD + "rules:\n  a: {match: {app: netflix}, police: {}}\n",
        ["4:38: rules.a.police: needs a rate for down or up"],
    ),
    "exempt and more": (
        CLASSES + "rules:\n  a: {match: {app: netflix}, exempt: true, per_flow: 1mbit}\n",
        ["8:30: rules.a.exempt: `exempt` leaves traffic alone altogether; it does not go with per_flow"],
    ),
    "block and police": (
        CLASSES + "rules:\n  a: {match: {app: netflix}, block: drop, police: 1mbit}\n",
        ["8:43: rules.a.police: `block` leaves nothing to police"],
    ),
    "redirect and shape": (
        CLASSES + "rules: {a: {match: {host: a.example, port: 80}, shape: video, redirect: portal}}\n",
        ["7:49: rules.a.shape: `redirect` leaves nothing to shape"],
    ),
    "a redirect to nowhere": (
        HEAD + "rules: {a: {match: {port: 80}, redirect: ftp://a.example}}\n",
        ["3:42: rules.a.redirect: 'ftp://a.example' is neither `portal` nor a URL"],
    ),
    "a redirect on a bridge": (
        HEAD.replace("lan:", "mode: bridge, lan:") + "rules: {a: {match: {port: 80}, redirect: portal}}\n",
        ["3:32: rules.a.redirect: a bridge has no address to answer from"],
    ),
    "eight caches": (
        HEAD + "caches:\n" + "".join(f"  c{i}: {{next_hop: 10.0.0.{i}, prefixes: 192.0.2.{i}}}\n" for i in range(1, 9)),
        ["11:3: caches.c8: more than 7 caches"],
    ),
    "a cache nowhere": (
        HEAD + "caches: {c: {prefixes: 192.0.2.0/24, health: none}}\n",
        ["3:10: caches.c: needs a next_hop or a device"],
    ),
    "a cache on a bridge": (
        HEAD.replace("lan:", "mode: bridge, lan:") + "caches: {c: {next_hop: 10.0.0.1, prefixes: 192.0.2.0/24}}\n",
        ["3:1: caches: a bridge does not route"],
    ),
    "the kernel's table": (
        HEAD + "caches: {c: {next_hop: 10.0.0.1, prefixes: 192.0.2.0/24, table: 254}}\n",
        ["3:65: caches.c.table: 254 is the kernel's table main"],
    ),
    "two next hops of a family": (
        HEAD + "caches: {c: {next_hop: [10.0.0.1, 10.0.0.2], prefixes: 192.0.2.0/24}}\n",
        ["3:35: caches.c.next_hop[1]: two of one family"],
    ),
    "a prefix without a way": (
        HEAD + "caches: {c: {next_hop: 10.0.0.1, prefixes: '2001:db8::/32'}}\n",
        ["3:44: caches.c.prefixes[0]: there is no next hop for IPv6"],
    ),
    "an app of two caches": (
        HEAD + "caches:\n  c: {next_hop: 10.0.0.1, apps: netflix}\n  d: {next_hop: 10.0.0.2, apps: netflix}\n",
        ["5:33: caches.d.apps[0]: netflix goes to c already"],
    ),
    "a check by tcp of no port": (
        HEAD + "caches: {c: {next_hop: 10.0.0.1, apps: netflix, health: {check: tcp}}}\n",
        ["3:57: caches.c.health: a check by tcp needs a port"],
    ),
    "a mask with a hole": (HEAD + "marks: {mask: 0x0f0f0000}\n", ["3:15: marks.mask: the bits of 0x0f0f0000 are not"]),
    "a mask too small for the rules": (
        HEAD
        + "marks: {mask: 0x3f0000}\nrules:\n"
        + "".join(f"  r{i}: {{match: {{port: {i}}}, allow: true}}\n" for i in range(1, 4)),
        ["3:15: marks.mask: 0x003f0000 has room for 2 rules and there are 3"],
    ),
    "an interface twice": (
        HEAD.replace("eth1", "[eth1, eth1]"),
        ["2:26: interfaces.lan[1]: eth1 stands here twice"],
    ),
    "one interface for both sides": (
        HEAD.replace("eth1", "eth0"),
        ["2:13: interfaces: eth0 is both lan and wan; say with `local`"],
    ),
    "a bridge with one end": (
        HEAD.replace("lan: eth1", "mode: bridge, lan: eth0"),
        ["2:13: interfaces: eth0 is both lan and wan; a bridge needs two"],
    ),
    "a vlan of a router": (
        HEAD.replace("eth1", "{device: eth1, vlan: 20}"),
        ["2:19: interfaces.lan[0]: a router has an interface for each VLAN: name that one, as in eth1.20"],
    ),
    "signatures nowhere": (HEAD + "signatures: mine\n", ["3:13: signatures[0]: there is no folder"]),
    "queues beyond the last": (HEAD + "queue: {count: 2, base: 65535}\n", ["3:8: queue: queues 65535 to 65536"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_finds(what: str, tmp_path: Path) -> None:
    text, expected = WRONG[what]
    errors = [line for line in findings(tmp_path, text) if "warning: " not in line]
    assert len(errors) == len(expected), errors
    for error, start in zip(errors, expected, strict=True):
        assert error.startswith(start)


ODD = {
    "a class that nothing uses": (CLASSES, "5:3: classes.video: warning: no rule puts traffic into this class"),
    "rates that together are over the link": (
        CLASSES.replace("50mbit", "90mbit"),
        "4:1: classes: warning: down: the rates below the link come to 110mbit of 100mbit",
    ),
    "a ceil over the link": (
        CLASSES.replace("100%", "1gbit"),
        "6:50: classes.rest.ceil: warning: down: 1gbit is over the link's 100mbit",
    ),
    "a cache that nothing goes to": (
        HEAD + "caches: {c: {next_hop: 10.0.0.1}}\n",
        "3:10: caches.c: warning: nothing goes to this cache",
    ),
    "a route for some": (
        HEAD + "caches: {c: {next_hop: 10.0.0.1}}\nrules: {a: {match: {local: 10.0.0.0/8}, route: c}}\n",
        "4:48: rules.a.route: warning: what is learnt is the destination",
    ),
    "addresses that never meet": (
        HEAD + "rules: {a: {match: {local: 10.0.0.0/8, remote: '2001:db8::/32'}, log: true}}\n",
        "3:48: rules.a.match.remote: warning: can never match: local is IPv4, remote is IPv6",
    ),
    "a name of DNS": (
        HEAD + "rules: {a: {match: {protocol: dns, host: a.example}, log: true}}\n",
        "3:42: rules.a.match.host: warning: can never match: to ask DNS",
    ),
    "a redirect of TLS": (
        HEAD + "rules: {a: {match: {app: netflix, port: 443}, redirect: portal}}\n",
        "3:57: rules.a.redirect: warning: nothing of it is plain HTTP on port 80, so all is refused",
    ),
    "a redirect of what may be TLS": (
        HEAD + "rules: {a: {match: {app: netflix}, redirect: portal}}\n",
        "3:46: rules.a.redirect: warning: TLS and QUIC cannot be redirected",
    ),
    "a rate that is never felt": (
        CLASSES + "rules: {a: {match: {app: netflix}, per_host: 2mbit, per_flow: {down: 3mbit, up: 1mbit}}}\n",
        "7:63: rules.a.per_flow: warning: is never felt down: `per_host` is no more",
    ),
    "an app that is not of the category": (
        CLASSES + "rules: {a: {match: {app: netflix, category: voip}, shape: video}}\n",
        "7:45: rules.a.match.category: warning: can never match: netflix is streaming and video",
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_warns_of(what: str, tmp_path: Path) -> None:
    text, start = ODD[what]
    found = findings(tmp_path, text)
    assert all("warning: " in line for line in found), found
    assert any(line.startswith(start) for line in found), found


def test_everything_is_found_at_once(tmp_path: Path) -> None:
    text = (
        CLASSES.replace("default: true", "defualt: true")
        + "  c: {rate: 1}\nrules: {a: {shape: video, route: x}, b: {}}\n"
    )
    found = [line for line in findings(tmp_path, text) if "warning" not in line]
    assert [line.split(": ")[0] + ": " + line.split(": ")[1] for line in found] == [
        "6:56: classes.rest.defualt",
        "7:13: classes.c.rate.down",
        "8:34: rules.a.route",
        "8:38: rules.b",
    ]


def test_interfaces_are_looked_up_where_the_machine_is_known(tmp_path: Path) -> None:
    machine = Machine(cores=1, interfaces=frozenset({"lo", "lan0", "eth0"}))
    assert findings(tmp_path, HEAD.replace("eth1", "lan1"), machine=machine) == [
        "2:19: interfaces.lan[0]: this machine has no interface lan1; did you mean lan0?"
    ]
    found = findings(tmp_path, HEAD.replace("eth1", "ppp7"), machine=machine)
    assert found == ["2:19: interfaces.lan[0]: this machine has no interface ppp7; there are eth0, lan0"]


def test_a_box_with_one_interface_is_right_once_it_knows_what_is_local(tmp_path: Path) -> None:
    assert findings(tmp_path, "version: 1\ninterfaces: {lan: eth0, wan: eth0, local: 10.0.0.0/8}\n") == []


def test_what_is_wrong_comes_before_warnings() -> None:
    warning, wrong = Finding("a", 1, 1, "", "unused", warning=True), Finding("b", 9, 1, "", "no such class")
    assert str(FindingsError([warning, wrong])) == "b:9:1: no such class\na:1:1: warning: unused"
