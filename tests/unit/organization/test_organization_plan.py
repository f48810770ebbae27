"""Plans of an Organization, as text."""

from __future__ import annotations

from dataclasses import replace

from resources.context import Platform
from resources.labels import L_CONTROLLER, L_UID
from resources.meta import Key
from resources.observed import Attachment, Container, Network
from tests.property.apply import INSTANCE, Stage, uid_of

ACME = Key("Organization", "", "acme")
UID = uid_of(*ACME)
NAME = f"skypanel_acme_{UID[:8]}"
MARK = {L_CONTROLLER: INSTANCE, L_UID: UID}


def made(**spec: object) -> Stage:
    stage = Stage()
    stage.declare(*ACME, spec)
    stage.settle()
    return stage


def container(stage: Stage, name: str, *networks: str, ours: bool = True, **more: object) -> None:
    labels = {L_CONTROLLER: INSTANCE, L_UID: f"uid-{name}"} if ours else {}
    stage.world.put_container(
        Container(
            id=f"c-{name}",
            name=name,
            labels=labels,
            image="i",
            image_id="sha256:i",
            state="running",
            networks=tuple(Attachment(n) for n in networks),
            **more,  # type: ignore[arg-type]
        )
    )


def network(stage: Stage) -> Network:
    (found,) = stage.world.networks_of(UID)
    return found


def test_from_nothing() -> None:
    stage = Stage()
    stage.declare(*ACME, {})
    assert stage.plan(ACME).render() == (
        "Accept generation 1 (new)\n"
        "ReserveSubnet 10.132.124.0/24 (free in 10.128.0.0/9)\n"
        f"CreateNetwork {NAME} 10.132.124.0/24 (missing)"
    )
    stage.settle()
    assert stage.plan(ACME).converged
    found = network(stage)
    assert found.bridge == f"sky{UID.replace('-', '')[:10]}"
    assert dict(found.labels) == {
        "io.skypanel.controller": INSTANCE,
        "io.skypanel.organization": "acme",
        "io.skypanel.kind": "Organization",
        "io.skypanel.name": "acme",
        "io.skypanel.uid": UID,
        "io.skypanel.generation": "1",
    }


def test_a_declared_subnet() -> None:
    stage = Stage()
    stage.declare(*ACME, {"network": {"subnet": "192.168.77.0/24", "internal": True}})
    assert stage.plan(ACME).render() == (
        "Accept generation 1 (new)\n"
        "ReserveSubnet 192.168.77.0/24 (spec.network.subnet)\n"
        f"CreateNetwork {NAME} 192.168.77.0/24 (missing)"
    )
    stage.settle()
    assert network(stage).internal


def test_a_removed_network_comes_back_with_its_subnet() -> None:
    stage = made()
    subnet = network(stage).subnets[0]
    stage.world.drop_network(network(stage).id)
    plan = stage.plan(ACME)
    assert plan.render() == f"CreateNetwork {NAME} {subnet} (missing) [drift: network]"
    assert plan.steps[0].drift == "network"


def test_a_changed_subnet_moves_the_network() -> None:
    stage = made()
    old = network(stage)
    container(stage, "acme_web_0_aaaaaa", old.id)
    container(stage, "acme_db_0_bbbbbb", old.id, "other")
    stage.declare(*ACME, {"network": {"subnet": "10.9.8.0/24"}})
    cause = f"subnet changed: {old.subnets[0]} -> 10.9.8.0/24"
    plan = stage.plan(ACME)
    assert plan.render() == (
        "Accept generation 2 (spec changed since generation 1)\n"
        "ReserveSubnet 10.9.8.0/24 (spec.network.subnet)\n"
        f"DisconnectNetwork acme_db_0_bbbbbb from {NAME} ({cause})\n"
        f"DisconnectNetwork acme_web_0_aaaaaa from {NAME} ({cause})\n"
        f"RemoveNetwork {NAME} ({cause})\n"
        f"CreateNetwork {NAME} 10.9.8.0/24 ({cause})"
    )
    assert {step.drift for step in plan.steps} == {""}
    stage.settle()
    assert network(stage).subnets == ("10.9.8.0/24",)


def test_a_subnet_no_longer_declared_is_kept() -> None:
    stage = made(network={"subnet": "10.9.8.0/24"})
    stage.declare(*ACME, {})
    assert stage.settle() == ["Accept generation 2 (spec changed since generation 1)"]
    assert network(stage).subnets == ("10.9.8.0/24",)


def test_internal_is_changed_by_making_it_anew() -> None:
    stage = made()
    stage.declare(*ACME, {"network": {"internal": True}})
    assert stage.settle()[1:] == [
        f"RemoveNetwork {NAME} (internal changed: false -> true)",
        f"CreateNetwork {NAME} 10.132.124.0/24 (internal changed: false -> true)",
    ]


def test_a_foreign_network_of_the_name_is_untouched() -> None:
    stage = Stage()
    stage.world.put_network(Network("foreign", NAME, {"whose": "else"}, ("172.30.0.0/16",)))
    stage.declare(*ACME, {})
    stage.run(ACME)
    assert stage.plan(ACME).render() == (
        f"problem: RESOURCE_CONFLICT: network {NAME} exists on the engine and is not ours"
    )
    assert stage.settle() == []
    stage.world.drop_network("foreign")
    assert stage.settle() == [f"CreateNetwork {NAME} 10.132.124.0/24 (missing)"]


def test_a_foreign_namesake_does_not_disturb_ours_nor_is_ours_given_up_for_it() -> None:
    stage = made()
    stage.world.put_network(Network("foreign", NAME, {}, ("172.30.0.0/16",)))
    assert stage.plan(ACME).converged
    stage.declare(*ACME, {"network": {"internal": True}})
    assert [type(step).__name__ for step in stage.plan(ACME).steps] == ["Accept"]
    assert stage.plan(ACME).problem is not None


def test_the_other_controllers_network_is_foreign() -> None:
    stage = Stage()
    stage.world.put_network(Network("x", NAME, {**MARK, L_CONTROLLER: "i-2"}, ("10.1.0.0/24",)))
    stage.declare(*ACME, {})
    problem = stage.plan(ACME).problem
    assert problem is not None
    assert problem.code == "RESOURCE_CONFLICT"


def test_a_foreign_container_on_the_network_keeps_it() -> None:
    stage = made()
    container(stage, "stranger", network(stage).id, ours=False)
    stage.declare(*ACME, {"network": {"internal": True}})
    stage.run(ACME)
    plan = stage.plan(ACME)
    assert plan.render() == (
        f"problem: RESOURCE_CONFLICT: network {NAME} has to go, but stranger on it is not ours"
    )
    assert plan.problem is not None
    assert plan.problem.suggestions == ("docker network disconnect n0001 stranger",)


def test_a_second_network_goes_once_nobody_depends_on_it() -> None:
    stage = made()
    keep = network(stage)
    second = replace(keep, id="n9999")
    stage.world.put_network(second)
    container(stage, "on-second", second.id)
    plan = stage.plan(ACME)
    assert plan.render() == f"wait: on-second to leave the second network {NAME}"
    container(stage, "on-second", second.id, keep.id)
    assert stage.settle() == [
        f"DisconnectNetwork on-second from {NAME} (second network, {keep.id} is kept)",
        f"RemoveNetwork {NAME} (second network, {keep.id} is kept) [drift: network]",
    ]
    assert network(stage) == keep


def test_a_network_made_before_the_store_forgot_is_taken_over() -> None:
    stage = made()
    entry = stage.rows[ACME]
    stage.rows[ACME] = replace(entry, record=replace(entry.record, subnet=None))
    assert stage.settle() == [f"ReserveSubnet 10.132.124.0/24 (of {NAME}, made earlier)"]


def test_a_reserved_subnet_that_something_else_took_is_given_up() -> None:
    stage = made()
    stage.world.drop_network(network(stage).id)
    stage.world.put_network(Network("x", "other", {}, ("10.132.0.0/16",)))
    (reserve, create) = stage.settle()
    assert reserve.startswith("ReserveSubnet 10.")
    assert reserve.endswith("(10.132.124.0/24 is in use elsewhere)")
    assert create.startswith(f"CreateNetwork {NAME} 10.")


def test_the_pool_is_exhausted() -> None:
    stage = Stage(Platform(INSTANCE, network_pool="10.0.0.0/24"), host_routes=("10.0.0.0/25",))
    stage.declare(*ACME, {})
    plan = stage.plan(ACME)
    assert plan.render() == (
        "Accept generation 1 (new)\n"
        "problem: CONFIGURATION_NETWORK_POOL_EXHAUSTED: no /24 network is free in 10.0.0.0/24"
    )
    stage.host_routes = ()
    stage.settle()
    assert stage.plan(ACME).converged


def test_an_invalid_change_leaves_the_earlier_generation_in_force() -> None:
    stage = made(network={"subnet": "10.9.8.0/24"})
    stage.declare(*ACME, {"network": {"subnet": "nonsense"}})
    plan = stage.plan(ACME)
    assert plan.steps == ()
    assert plan.problem is not None
    assert plan.problem.code == "CONFIGURATION_INVALID_SPEC"
    stage.world.drop_network(network(stage).id)
    plan = stage.plan(ACME)
    assert plan.steps[0].render() == f"CreateNetwork {NAME} 10.9.8.0/24 (missing) [drift: network]"
    assert plan.problem is not None


def test_invalid_from_the_start_does_nothing() -> None:
    stage = Stage()
    stage.declare(*ACME, {"nonsense": 1})
    assert stage.plan(ACME).steps == ()
    assert stage.settle() == []


def test_deletion_takes_all_in_it_first() -> None:
    stage = made()
    stage.declare("Volume", "acme", "data", {"deletionPolicy": "Delete"})
    stage.settle()
    stage.delete(ACME)
    assert stage.plan(ACME).render() == (
        "RequestDeletion everything in acme (deletion requested)\n"
        "wait: 1 resource in it to be deleted"
    )
    stage.run(ACME)
    assert stage.plan(ACME).render() == "wait: 1 resource in it to be deleted"
    stage.settle()
    assert stage.rows == {}
    assert stage.world.networks == {}
    assert stage.world.volumes == {}


def test_deletion_takes_leftover_containers_off_but_not_foreign_ones() -> None:
    stage = made()
    container(stage, "leftover", network(stage).id)
    stage.delete(ACME)
    assert stage.plan(ACME).render() == (
        f"DisconnectNetwork leftover from {NAME} (deletion requested)\n"
        f"RemoveNetwork {NAME} (deletion requested)\n"
        "Finalize row (deletion requested)"
    )
    container(stage, "stranger", network(stage).id, ours=False)
    plan = stage.plan(ACME)
    assert plan.steps == ()
    assert plan.problem is not None
    assert plan.problem.code == "RESOURCE_CONFLICT"


def test_deletion_of_what_cannot_be_read() -> None:
    stage = made()
    stage.declare(*ACME, {"nonsense": 1})
    stage.delete(ACME)
    stage.settle()
    assert stage.rows == {}
    assert stage.world.networks == {}


def test_a_bridge_that_the_firewall_does_not_know_is_no_network_of_ours() -> None:
    """Somebody made the network anew, with our labels and subnet but not with our bridge."""
    stage = made()
    old = network(stage)
    stage.world.put_network(replace(old, bridge="br-0123456789ab"))
    cause = f"bridge changed: br-0123456789ab -> {old.bridge}"
    plan = stage.plan(ACME)
    assert plan.render() == (
        f"RemoveNetwork {NAME} ({cause})\n"
        f"CreateNetwork {NAME} {old.subnets[0]} ({cause}) [drift: network]"
    )
    stage.settle()
    assert network(stage).bridge == old.bridge
