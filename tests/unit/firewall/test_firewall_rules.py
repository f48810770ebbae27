"""Which rules there shall be, and what is told of those that are there."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from controller.firewall.resolvers import resolvers
from controller.firewall.rules import (
    Policy,
    chains,
    differences,
    parse_ports,
    removal,
    ruleset,
)
from tests.unit.firewall.tables import listed

POLICY = Policy(parse_ports("443/tcp, 80/tcp,443/udp"), ("10.0.0.53", "fd00::53"))


def listing(policy: Policy = POLICY) -> dict[str, Any]:
    return {"nftables": copy.deepcopy(listed(ruleset(policy)))}


@pytest.mark.parametrize("text", ["80", "80/sctp", "0/tcp", "65536/tcp", "80/tcp;x", "٨٠/tcp"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(ValueError, match="is not a port"):
        parse_ports(text)


def test_ports_are_read_in_any_order() -> None:
    assert [str(p) for p in parse_ports("443/udp,80/tcp, 443/tcp,80/tcp,")] == [
        "80/tcp",
        "443/tcp",
        "443/udp",
    ]
    assert parse_ports("") == ()


def test_the_last_word_about_the_host_is_no() -> None:
    for policy in (POLICY, Policy()):
        to_host = {chain.name: chain for chain in chains(policy)}["to-host"]
        assert to_host.rules[-1][0] == "counter drop"
        assert to_host.rules[0][0].endswith("drop")


def test_nothing_is_said_about_other_interfaces() -> None:
    """The chains that see all packets hand over those of our bridges, and hold nothing else."""
    for chain in chains(POLICY):
        if chain.hook:
            assert [text.partition(" jump")[0] for text, _ in chain.rules] == ['iifname "sky*"']
    assert "flush" not in ruleset(POLICY)
    assert {line for line in ruleset(POLICY).splitlines() if "table" in line} == {
        "table inet skyctl",
        "delete table inet skyctl",
        "table inet skyctl {",
    }


def test_what_is_as_wanted() -> None:
    assert differences(listing(), POLICY) == ()
    assert differences(listing(Policy()), Policy()) == ()


def test_other_ports_are_a_difference() -> None:
    assert differences(listing(Policy()), POLICY)
    assert differences(listing(), Policy())


def test_a_rule_that_is_gone_is_named() -> None:
    found = listing()
    found["nftables"] = [i for i in found["nftables"] if "a listener" not in json.dumps(i)]
    assert differences(found, POLICY) == ("chain to-host lacks: a listener of the host",)


def test_a_rule_before_ours_is_told() -> None:
    found = listing()
    found["nftables"].insert(3, {"rule": {"chain": "to-host", "expr": [{"accept": None}]}})
    assert differences(found, POLICY) == ("chain to-host has 1 other rule",)


def test_another_order_is_told() -> None:
    found = listing()
    items = found["nftables"]
    rules = [i for i, item in enumerate(items) if item.get("rule", {}).get("chain") == "to-host"]
    items[rules[0]], items[rules[-1]] = items[rules[-1]], items[rules[0]]
    assert differences(found, POLICY) == ("rules of chain to-host are in another order",)


@pytest.mark.parametrize(
    "change",
    [{"hook": "output"}, {"prio": 500}, {"policy": "drop"}, {"type": "nat"}],
)
def test_a_chain_hooked_otherwise(change: dict[str, Any]) -> None:
    found = listing()
    for item in found["nftables"]:
        if item.get("chain", {}).get("name") == "input":
            item["chain"].update(change)
    assert differences(found, POLICY) == ("chain input is hooked otherwise",)


def test_a_table_put_to_sleep_and_a_foreign_chain() -> None:
    found = listing()
    found["nftables"][1]["table"]["flags"] = "dormant"
    found["nftables"].append({"chain": {"name": "mine"}})
    assert differences(found, POLICY) == ("the table is dormant", "chain mine is not ours")


def test_an_empty_listing_lacks_all() -> None:
    assert len(differences({}, POLICY)) == len(chains(POLICY))


def test_name_servers_of_the_host(tmp_path: Path) -> None:
    conf, stub, engine = tmp_path / "a", tmp_path / "b", tmp_path / "daemon.json"
    conf.write_text("nameserver 127.0.0.53\n# nameserver 9.9.9.9\nnameserver\nsearch x\n")
    stub.write_text("nameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver FD00:0::7\n")
    engine.write_text('{"dns": ["10.0.0.2", "10.0.0.1", 7, "drop all; accept"]}')
    found = resolvers((conf, stub, tmp_path / "none"), engine)
    assert found == ("10.0.0.1", "10.0.0.2", "fd00::7", "fe80::1")
    for broken in ("[]", "{", '{"dns": "10.0.0.9"}'):
        engine.write_text(broken)
        assert resolvers((conf,), engine) == ()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")
def test_the_kernel_takes_it_as_often_as_it_is_given() -> None:
    """In a network namespace of the test's own."""
    with_and_without = ruleset(POLICY) + ruleset(Policy()) + removal() + ruleset(POLICY)
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", "nft -f - && nft -j list table inet skyctl"],
        input=with_and_without,
        capture_output=True,
        text=True,
        timeout=30,
    )
    if "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert differences(json.loads(done.stdout), POLICY) == ()
    assert differences(json.loads(done.stdout), Policy()) != ()
