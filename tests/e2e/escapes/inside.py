"""Attempts from inside a container: what a tenant's process can try against host and neighbours.

Each is a shell script that prints ``reached`` when it got where it should not. All are tried at
once, so that those which wait in vain cost their time once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.e2e.escapes.place import (
    ANYWHERE,
    DATAGRAMS,
    ENGINE,
    HOST,
    INSIDE,
    LOOPBACK,
    METADATA,
    METRICS,
    OUTSIDE,
    PUBLISHED,
    UPLINK,
    V6,
    Place,
)

_MARK = "-- attempt "


@dataclass(frozen=True)
class Attempt:
    """without, closed: does it get there without the firewall, and with it? wanted: it is meant to
    (an escape that is none). heard: instead of printing, it is heard by the host's datagram
    listener; the words by which."""

    title: str
    service: str
    script: str
    without: bool = False
    closed: bool = False
    wanted: bool = False
    heard: str = ""


def connect(host: str, port: int) -> str:
    return f"nc -w 2 {host} {port} </dev/null"


def _http(host: str, port: int) -> str:
    answered = f"printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {host} {port}"
    return f"{answered} | grep -q HTTP && echo reached"


def _open(title: str, service: str, script: str) -> Attempt:
    """Only the firewall closes it."""
    return Attempt(title, service, script, without=True)


def _wanted(title: str, service: str, script: str) -> Attempt:
    return Attempt(title, service, script, without=True, closed=True, wanted=True)


def _heard(title: str, service: str, words: str, host: str, first: str = "") -> Attempt:
    """A datagram that holds the words, as a request for the file of that name."""
    script = f"{first}tftp -g -r {words} -l /tmp/{words} {host} {DATAGRAMS}"
    return Attempt(title, service, script, without=True, heard=words)


def against_host(place: Place) -> tuple[Attempt, ...]:
    own, theirs = place.gateway("intruder"), place.gateway("victim")
    docker0 = str(place.stranger["NetworkSettings"]["Gateway"])
    mighty, forged = place.gateway("mighty"), place.address("victim")
    through = f"ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {mighty}"
    return (
        _open("host listener on 0.0.0.0, own gateway", "intruder", connect(own, ANYWHERE)),
        _open("host listener on 0.0.0.0, beta's gateway", "intruder", connect(theirs, ANYWHERE)),
        _open("host listener on 0.0.0.0, at docker0", "intruder", connect(docker0, ANYWHERE)),
        _open("host listener on 0.0.0.0, at its uplink", "intruder", connect(HOST, ANYWHERE)),
        _open("host listener on its own address only", "intruder", connect(HOST, UPLINK)),
        _heard("host listener on UDP", "intruder", "a-plain-datagram", own),
        _open("host listener, from an internal network", "inner",
              connect(place.gateway("inner"), ANYWHERE)),
        _open("host listener, from a restricted service", "humble",
              connect(place.gateway("humble"), ANYWHERE)),
        _open("engine API on TCP, gateway", "intruder", connect(own, ENGINE)),
        _open("ping of the gateway (NET_RAW)", "mighty",
              # from its own address: the forged sender below comes with a route of its own
              f"ping -c 1 -W 2 -I {place.address('mighty')} {mighty} | grep -q ' 0% packet'"
              " && echo reached"),
        Attempt("host listener on loopback, 127.0.0.1", "intruder", connect("127.0.0.1", LOOPBACK)),
        Attempt("host listener on loopback, gateway", "intruder", connect(own, LOOPBACK)),
        Attempt("host listener on loopback, 127.0.0.1 routed out", "mighty",
                f"({through}; {connect('127.0.0.1', LOOPBACK)})"),
        Attempt("host listener on IPv6, ::1", "intruder", connect("::1", V6)),
        Attempt("host listener on IPv6, the bridge's link-local address", "intruder",
                  connect(f"{place.link_local('intruder')}%eth0", V6)),
        Attempt("the controller's metrics, own gateway", "intruder", _http(own, METRICS)),
        _open("a cloud's metadata address", "intruder", connect(METADATA, 80)),
        _heard("a datagram to the host with beta's sender (NET_ADMIN)", "mighty",
               "a-forged-datagram", mighty,
               f"ip address add {forged}/32 dev eth0; "
               f"ip route add {mighty}/32 dev eth0 src {forged}; "),
        _wanted("the ingress' port of the host", "intruder", connect(own, 80)),
        _wanted("a server outside", "intruder", connect(OUTSIDE, 8000)),
    )  # fmt: skip


def against_neighbours(place: Place) -> tuple[Attempt, ...]:
    victim = place.containers["victim"]
    name, address = str(victim["Name"]).lstrip("/"), place.address("victim")
    own, theirs = place.gateway("intruder"), place.gateway("victim")
    stranger = str(place.stranger["NetworkSettings"]["IPAddress"])
    gone = f"ip route add {address}/32 dev eth0; {connect(address, INSIDE)}"
    return (
        Attempt("another tenant, by address", "intruder", connect(address, INSIDE)),
        Attempt("another tenant, by service name", "intruder", connect("victim", INSIDE)),
        Attempt("another tenant, by container name", "intruder", connect(name, INSIDE)),
        Attempt("another tenant, by container id", "intruder",
                connect(str(victim["Id"])[:12], INSIDE)),
        Attempt("another tenant, looked up at 127.0.0.11", "intruder",
                "nslookup victim 127.0.0.11 2>&1 | grep -q 'Name:' && echo reached"),
        Attempt("another tenant, by address, from an internal network", "inner",
                connect(address, INSIDE)),
        Attempt("another tenant, as if on the own wire (NET_ADMIN)", "mighty", f"({gone})"),
        _open("another tenant's published port, its gateway", "intruder",
                connect(theirs, PUBLISHED)),
        _open("another tenant's published port, own gateway", "intruder",
                connect(own, PUBLISHED)),
        _open("another tenant's published port, the host's address", "intruder",
                connect(HOST, PUBLISHED)),
        Attempt("a container that is not ours, by address", "intruder", connect(stranger, INSIDE)),
        _open("its published port, the host's address", "intruder",
                connect(HOST, PUBLISHED + 1)),
        Attempt("a server outside, from an internal network", "inner", connect(OUTSIDE, 8000)),
        _wanted("a sibling, by service name", "intruder", connect("sibling", INSIDE)),
    )  # fmt: skip


def _denied(title: str, script: str, service: str = "intruder") -> Attempt:
    return Attempt(title, service, f"({script}) >/dev/null 2>&1 && echo reached")


KERNEL: tuple[Attempt, ...] = (
    _denied("the engine's socket", "ls /var/run/docker.sock || ls /run/docker.sock"),
    _denied("the engine's directories", "ls /var/lib/docker || ls /host"),
    _denied("write /proc/sys/kernel/core_pattern",
            "echo '|/tmp/x' > /proc/sys/kernel/core_pattern"),
    _denied("write /proc/sysrq-trigger", "echo h > /proc/sysrq-trigger"),
    _denied("write /proc/sys/net/ipv4/ip_forward", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
    _denied("make a cgroup", "mkdir /sys/fs/cgroup/memory/x || mkdir /sys/fs/cgroup/pids/x"),
    _denied("raise the own limit", "cd /sys/fs/cgroup; test -e memory.max && echo max > memory.max "
            "|| echo -1 > memory/memory.limit_in_bytes"),
    _denied("read /proc/kcore", "test -n \"$(head -c 1 /proc/kcore)\""),
    _denied("the kernel's log", "dmesg"),
    _denied("mount a file system", "mkdir -p /tmp/m; mount -t tmpfs none /tmp/m"),
    _denied("mount cgroups (release_agent)", "mkdir -p /tmp/c; mount -t cgroup none /tmp/c"),
    _denied("mount /proc anew", "mkdir -p /tmp/p; mount -t proc none /tmp/p"),
    _denied("make a device of the host's disk", "mknod /tmp/d b 254 0 || mknod /tmp/e b 8 0"),
    _denied("read memory", "head -c 1 /dev/mem || head -c 1 /dev/kmem"),
    _denied("raw socket (ARP)", "arping -c 1 -w 1 127.0.0.1 || arping -f -c 1 -w 1 172.17.0.1"),
    _denied("new user namespace", "unshare -U true"),
    _denied("new mount namespace", "unshare -m true"),
    _denied("enter the namespaces of process 1", "nsenter -t 1 -m -n -u -i true"),
    _denied("chroot", "chroot / /bin/true"),
    _denied("load a module", "insmod /bin/busybox || modprobe dummy"),
    _denied("set the clock", "date -s 2030-01-01; test $(date +%Y) -eq 2030"),
    _denied("set the host name", "hostname owned"),
    _denied("change addresses", "ip address add 10.9.9.9/32 dev eth0"),
    _denied("see the host's processes", "ps | grep -q -e '[d]ockerd' -e '[s]ystemd'"),
    _denied("raise a limit", "ulimit -Hn 100000000"),
    _denied("more processes than allowed",
            "for i in $(seq 99); do sleep 3 & done; test $(ls -d /proc/[0-9]* | wc -l) -gt 40",
            "posing"),
    _denied("gain privileges", "grep -q 'NoNewPrivs:.0' /proc/self/status"),
    _denied("capabilities beyond baseline's seven",
            "test $(grep CapBnd /proc/1/status | cut -f2) != 00000000000004eb"),
    _denied("any capability under restricted", "test $((0x$(grep CapBnd /proc/1/status | "
            "cut -f2))) -ne 0", "humble"),
    _denied("root under restricted", "test $(id -u) -eq 0", "humble"),
    _denied("root under restricted, whom /etc/passwd calls 1000", "test $(id -u) -eq 0", "posing"),
)  # fmt: skip


def tried(place: Place, attempts: Iterable[Attempt]) -> Mapping[Attempt, bool]:
    """Did it get there?"""
    by_service: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_service.setdefault(attempt.service, []).append(attempt)
    found: dict[Attempt, bool] = {}
    with ThreadPoolExecutor(len(by_service)) as threads:
        scripts = {name: _all_at_once(own) for name, own in by_service.items()}
        asked = {name: threads.submit(place.shell, name, text) for name, text in scripts.items()}
    for service, own in by_service.items():
        said = asked[service].result()
        parts = said.split(_MARK)[1:]
        assert len(parts) == len(own), said
        for attempt, part in zip(own, parts, strict=True):
            found[attempt] = "reached" in part
            if attempt.heard:
                found[attempt] = place.heard(attempt.heard)
    return found


def _all_at_once(attempts: list[Attempt]) -> str:
    """Each in the background, a few seconds at most; then what each said, in order."""
    lines = ["cd /tmp; rm -rf said; mkdir said"]
    for number, attempt in enumerate(attempts):
        quoted = attempt.script.replace("'", "'\\''")
        lines.append(f"timeout 5 sh -c '{quoted}' > said/{number} 2>&1 &")
    lines.append("wait")
    lines += [f"echo '{_MARK}{n}'; cat said/{n}" for n in range(len(attempts))]
    return "\n".join(lines)
