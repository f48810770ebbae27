"""DNS in memory: what is put there is there, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

from resources.domain.verifying import Answer, DnsQuestion


@dataclass
class FakeDns:
    """texts: by record. addresses: by host. error: nobody can be asked."""

    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    error: str = ""

    async def __call__(self, question: DnsQuestion) -> Answer:
        if self.error:
            return Answer(error=self.error)
        return Answer(self.texts.get(question.record, ()), self.addresses.get(question.host, ()))
