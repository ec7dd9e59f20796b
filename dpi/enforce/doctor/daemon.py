"""Checks of the policy and of the daemon that is running."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dpi.enforce import plan_operations
from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning

FAULTS = {
    "enobufs": "the socket's buffer overflowed",
    "truncated": "messages longer than the buffer",
    "damaged": "messages that are no netlink",
    "malformed": "packets without what the kernel has to send",
    "send_errors": "verdicts that could not be sent",
}
FULL = 0.95
MOST = 5  # differences that are listed


@check(
    "policy",
    "whether a policy was given or is in force, and is right",
    "The other checks take from it which interfaces are lan and wan, the mask, the rates",
)
def policy(box: Box) -> Iterator[Found]:
    for fault in box.policy_faults:
        yield error(fault, "dpi policy check FILE")
    if box.plan:
        yield ok(f"{', '.join(box.plan.sources)}: right")
    elif not box.policy_faults:
        yield note("there is none: checks that need one are left out", "dpi doctor --config FILE")


@check(
    "daemon",
    "the running daemon, over its socket: reload, flow table, records, caches",
    "A daemon that runs an older policy than the file, or has lost something, says so here",
)
def daemon(box: Box) -> Iterator[Found]:
    status = box.status
    if status is None:
        yield note(box.status_fault or "no daemon runs", "dpi run --config FILE (or systemctl start dpi)")
        return
    yield ok(f"runs: version {status['version']}, process {status['pid']}, policy {status['policy_hash']}")
    reload = status.get("reload")
    if reload and not reload["ok"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(reload["time"]))
        yield error(
            f"its last reload ({when}) failed, the policy before is in force: {reload['message']}",
            "dpi policy check FILE; dpi policy apply",
        )
    elif box.plan and box.plan.hash != status["policy_hash"]:
        yield warning(
            f"it has another policy in force ({', '.join(status['config'])})",
            "dpi policy plan FILE, then dpi policy apply FILE; or dpi doctor --config with its file",
        )
    flows, most = status.get("flows") or 0, status.get("max_flows") or 0
    if most and flows >= most * FULL:
        yield warning(
            f"the flow table is full: {flows} of {most}",
            f"flows: max: {most * 2} in the policy, and restart",
            "The oldest flows are forgotten to make room",
        )
    records = status.get("records")
    if records and (records["lost"] or records["error"]):
        yield warning(
            f"{records['lost']} records were lost: {records['error'] or 'written too slowly'}",
            f"df {records['file']}; ls -l {records['file']}",
            "These flows are missing in reports",
        )
    for route in status.get("routes") or ():
        if route.get("state") == "down":
            yield warning(
                f"cache {route['name']} is down: its traffic takes the normal way",
                "dpi status; ping or curl its health check's target",
                "The cache's share of the traffic comes over the line",
            )


@check(
    "kernel-state",
    "what is ours in the kernel (table, classes, routes, sysctls) against the policy that the daemon has in force",
    "Somebody else may have taken it away or changed it since: `nft flush ruleset`, a network restart",
)
def kernel_state(box: Box) -> Iterator[Found]:
    if not box.root:
        yield note("not looked at: root is needed")
    elif box.in_force is not None:
        changes = plan_operations(box.in_force.kernel, state_dir=box.state_dir)
        for operation in changes[:MOST]:
            yield error(f"not as the policy says: {operation} is to do", "dpi policy apply")
        if len(changes) > MOST:
            yield error(f"and {len(changes) - MOST} more", "dpi policy apply")
        if not changes:
            yield ok("as the policy says")
    elif box.status is None:
        left = list(box.ours)
        if left:
            yield note(
                f"no daemon runs, and {len(left)} things of ours are there: {left[0]}, …",
                "dpi run takes them over, and takes them away when it ends (on_exit: keep leaves them on purpose)",
            )
        else:
            yield ok("nothing of ours is there, and no daemon runs")


@check(
    "queue-faults",
    "the faults that the running daemon's queue readers have counted",
    "Packets whose messages could not be read passed without being looked at",
)
def queue_faults(box: Box) -> Iterator[Found]:
    if box.status is None:
        return
    clean = True
    for queue in box.status.get("queues") or ():
        counted = {name: queue.get(name, 0) for name in FAULTS if queue.get(name)}
        if counted:
            clean = False
            says = ", ".join(f"{count} {FAULTS[name]}" for name, count in counted.items())
            yield warning(f"queue {queue['queue']}: {says}", "queue: count: one for each core; dpi status --json")
    if clean:
        yield ok("none")
