"""``skyctl host-firewall install|status|remove``: the host's listeners, closed to containers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.confirmation import Yes, confirm
from controller.cli.failure import FAILED, USAGE, Misuse
from controller.cli.options import output_format
from controller.cli.output import print_data
from controller.cli.text import clean

if TYPE_CHECKING:
    from controller.firewall.keeper import FirewallFinding
    from controller.firewall.rules import Policy

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Close what the host listens on to organizations' containers (on the engine's host, as "
    "root, with nftables).",
)
Ports = Annotated[
    str | None,
    typer.Option(
        "--ports",
        metavar="80/tcp,443/tcp,...",
        help="Ports of the host that stay open to containers, '' for none "
        "[SKYCTL_HOST_FIREWALL_PORTS].",
    ),
]
NowOnly = Annotated[
    bool, typer.Option("--now-only", help="Leave alone what is done at the next boot.")
]


@app.command()
def install(
    ports: Ports = None,
    now_only: NowOnly = False,
    print_: Annotated[
        bool, typer.Option("--print", help="Print the rules and the systemd unit; change nothing.")
    ] = False,
) -> None:
    """Put the rules in place, now and at each boot. Again: puts back what is missing.

    One table of its own, inet skyctl, about interfaces named sky* only. From an organization's
    containers no address of the host answers any more but the ports left open, name servers
    included, and no published port does; answers to what the host began pass. Restarting
    Docker changes nothing about it; when all rules are flushed the controller puts them back.
    """
    from controller.firewall.boot import UNIT, Boot, unit
    from controller.firewall.nft import Nft, find_nft
    from controller.firewall.rules import ruleset

    policy = _policy(ports)
    text, boot, program = ruleset(policy), Boot(), find_nft() or "/usr/sbin/nft"
    if print_:
        print(f"# {boot.rules}\n{text}\n# {boot.unit}\n{unit(program, boot.rules)}", end="")
        return
    asyncio.run(Nft().load(text))
    seen = _look(policy)
    if seen.state != "installed":
        print(f"{seen.state}: {clean(seen.verdict.message)}")
        raise typer.Exit(FAILED)
    print(f"installed: {seen.verdict.message}, but for {_open(policy)}")
    if now_only:
        print("what is done at the next boot was left as it is (--now-only)")
        return
    for path in boot.install(text, program):
        print(f"wrote {path}")
    if boot.systemd:
        print(f"at each boot: {UNIT}")
    else:
        print(f"no systemd here; have it run at each boot: {program} -f {boot.rules}")


@app.command()
def status(
    ports: Ports = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="json or yaml.")] = None,
) -> None:
    """Are the rules there, whole? Exit 0: yes, 1: no, 2: cannot look (it takes root)."""
    from controller.firewall.boot import Boot

    form = output_format(output)
    policy, boot = _policy(ports), Boot()
    seen = _look(policy)
    if form in ("json", "yaml"):
        print_data(
            {
                "state": seen.state,
                "message": seen.verdict.message,
                "differences": list(seen.differences),
                "openPorts": [str(port) for port in policy.ports],
                "resolvers": list(policy.resolvers),
                "atBoot": boot.rules.exists(),
                "suggestions": list(seen.suggestions),
            },
            form,
        )
    else:
        print(f"{seen.state}: {clean(seen.verdict.message)}")
        for difference in seen.differences:
            print(f"  {clean(difference)}")
        print(f"open to containers: {_open(policy)}")
        print(f"at boot: {boot.rules if boot.rules.exists() else 'not loaded'}")
        print(f"kept by the controller: {_kept(boot.rules.exists())}")
        for suggestion in seen.suggestions:
            print(f"  try: {clean(suggestion)}")
    if seen.state != "installed":
        raise typer.Exit(USAGE if seen.state == "unknown" else FAILED)


@app.command()
def remove(now_only: NowOnly = False, yes: Yes = False) -> None:
    """Take the rules away, now and for the next boot. A controller that runs with
    SKYCTL_HOST_FIREWALL=keep puts them back."""
    from controller.firewall.boot import Boot
    from controller.firewall.nft import Nft

    confirm("open what the host listens on to containers?", yes)
    asyncio.run(Nft().remove())
    print("removed: containers reach what the host listens on")
    for path in () if now_only else Boot().remove():
        print(f"removed {path}")


def _policy(ports: str | None) -> Policy:
    from dataclasses import replace

    from controller.firewall.keeper import policy_of
    from controller.firewall.rules import parse_ports
    from controller.settings import load_settings

    policy = policy_of(load_settings())
    if ports is None:
        return policy
    try:
        return replace(policy, ports=parse_ports(ports))
    except ValueError as error:
        raise Misuse(f"--ports: {error}", "--ports 80/tcp,443/tcp") from None


def _look(policy: Policy) -> FirewallFinding:
    from controller.firewall.keeper import examine
    from controller.firewall.nft import Nft

    return asyncio.run(examine(Nft(), policy))


def _kept(installed: bool) -> str:
    """What the controller that runs here does about them."""
    from controller.cli.client import connect
    from resources.errors import UserError

    try:
        with connect(timeout=5.0) as client:
            mode = str(client.get("/settings")["values"]["host_firewall"])
    except (UserError, KeyError):
        return "not known, none answers on the socket here"
    told = {
        "keep": "yes, it puts right whatever differs",
        "report": "yes, it puts back what was installed and has gone"
        if installed
        else "no, it only reports them",
    }
    return f"{told.get(mode, 'no')} (SKYCTL_HOST_FIREWALL={mode})"


def _open(policy: Policy) -> str:
    return ", ".join(str(port) for port in policy.ports) or "no port"
