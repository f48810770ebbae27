"""Nobody gets out: neither by what is written in a spec nor from inside a container; and what the
host's firewall closes, it closes, stays closed, and is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from resources.conditions import find
from tests.e2e.escapes import written
from tests.e2e.escapes.inside import KERNEL, against_host, against_neighbours, tried
from tests.e2e.escapes.place import HOSTILE, Place, place
from tests.e2e.harness import until

NEEDED = ("dockerd", "ip", "iptables", "nft", "nsenter")
pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, NEEDED)),
        reason=f"needs root and {', '.join(NEEDED)}",
    ),
]


def test_nobody_gets_out() -> None:
    with place() as here:
        _nothing_written_passes(here)
        _values_are_literal(here)
        _told(here, closed=False)
        attempts = (*against_host(here), *against_neighbours(here), *KERNEL)
        assert len(attempts) >= 30
        without = tried(here, attempts)
        assert {a.title: without[a] for a in attempts} == {a.title: a.without for a in attempts}

        done = here.skyctl("host-firewall", "install", "--now-only")
        assert done.returncode == 0, done.stderr
        with_ = tried(here, attempts)
        assert {a.title: with_[a] for a in attempts} == {a.title: a.closed for a in attempts}
        _told(here, closed=True)
        _stays(here)


def _nothing_written_passes(here: Place) -> None:
    refused = {**written.not_stored(), **written.over_http(here), **written.denied(here)}
    assert not [title for title, said in refused.items() if not said]


def _values_are_literal(here: Place) -> None:
    said = here.shell("intruder", 'printf %s "$ODD"; echo; cat /odd; echo; printf %s "$LINES"')
    assert said == f"{HOSTILE}\n{HOSTILE}\na\nB=c\n\ttab"


def _told(here: Place, *, closed: bool) -> None:
    word = "True" if closed else "False"

    def everywhere() -> bool:
        rows = here.program.sql(
            "SELECT status FROM skyctl.resource_view WHERE kind = 'Organization'"
        )
        conditions = [find(json.loads(row["status"]), "HostClosed") for row in rows]
        assert all(c is not None and c["status"] == word for c in conditions), conditions
        return here.program.metrics()["skyctl_host_firewall"] == float(closed)

    until(everywhere, what=f"HostClosed={word} everywhere", every=0.2)


def _stays(here: Place) -> None:
    """Through a restart of the engine; and through its own loss, where it is to be kept."""
    done = here.skyctl("doctor")
    (line,) = [line for line in done.stdout.splitlines() if " host firewall " in line]
    assert line.startswith("ok"), line
    here.program.stop()
    here.engine.stop()
    here.engine.start()
    assert here.skyctl("host-firewall", "status").returncode == 0
    assert here.skyctl("host-firewall", "remove", "--now-only", "--yes").returncode == 0
    assert not _there(here)
    here.program.env["SKYCTL_HOST_FIREWALL"] = "keep"
    here.program.start()
    until(lambda: _there(here), what="the rules are put back")
    _told(here, closed=True)


def _there(here: Place) -> bool:
    words = [*here.engine.within, "nft", "list", "table", "inet", "skyctl"]
    return subprocess.run(words, capture_output=True).returncode == 0
