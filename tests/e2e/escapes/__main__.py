"""``python -m tests.e2e.escapes``: every attempt to get out, each with its outcome, with and
without the firewall of the host. Root, dockerd, iptables, nft and ip are needed."""

from __future__ import annotations

import sys

from tests.e2e.escapes import written
from tests.e2e.escapes.inside import KERNEL, Attempt, against_host, against_neighbours, tried
from tests.e2e.escapes.place import place


def main() -> int:
    rows: list[tuple[str, str, str, str]] = []
    surprises = 0
    with place() as here:
        rows += _written({**written.not_stored(), **written.over_http(here)}, "refused")
        rows += _written(written.denied(here), "not accepted")
        attempts = (*against_host(here), *against_neighbours(here), *KERNEL)
        without = tried(here, attempts)
        done = here.skyctl("host-firewall", "install", "--now-only")
        assert done.returncode == 0, done.stdout + done.stderr
        with_ = tried(here, attempts)
    for attempt in attempts:
        as_expected = (without[attempt], with_[attempt]) == (attempt.without, attempt.closed)
        surprises += not as_expected
        title, mark = f"{attempt.title} ({attempt.service})", "" if as_expected else "!"
        rows.append((title, _word(attempt, without[attempt]), _word(attempt, with_[attempt]), mark))
    surprises += sum(not row[1] for row in rows)
    _print(rows)
    print(f"\n{len(rows)} attempts, {surprises} not as expected")
    return 1 if surprises else 0


def _written(found: dict[str, str], word: str) -> list[tuple[str, str, str, str]]:
    return [
        (f"spec: {title}", word if said else "", word if said else "", "" if said else "!")
        for title, said in found.items()
    ]


def _word(attempt: Attempt, reached: bool) -> str:
    if attempt.wanted:
        return "reached, as meant" if reached else "CUT OFF"
    return "REACHED" if reached else "no"


def _print(rows: list[tuple[str, str, str, str]]) -> None:
    head = ("attempt", "without the firewall", "with it", "")
    width = [max(len(row[i]) for row in (head, *rows)) for i in range(4)]
    for number, row in enumerate((head, *rows)):
        line = "  ".join(cell.ljust(width[i]) for i, cell in enumerate(row)).rstrip()
        print(f"{number or '':>3}  {line}")


if __name__ == "__main__":
    sys.exit(main())
