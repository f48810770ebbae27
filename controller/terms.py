"""What is made anew each time we begin to lead, since it remembers: probes, proofs, certificates
looked at, usage sampled, the memory of passes."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from controller.acting import Term
from controller.clock import Clock
from controller.coverage import Coverage
from controller.engine.base import Engine
from controller.ingress.gateway import Gateway
from controller.loop.backoff import Backoff
from controller.loop.queue import Queue
from controller.platform import PlatformView
from controller.reconcile.certificates import CertificateWatcher, Fetch, Handshake
from controller.reconcile.execute import Executor
from controller.reconcile.observe import Observation, Observer
from controller.reconcile.obstructions import Obstructions
from controller.reconcile.probes import Knock, Prober
from controller.reconcile.reconciler import Reconciler
from controller.reconcile.resolution import Resolution
from controller.reconcile.tags import Tags
from controller.reconcile.turns import Turns, rolling
from controller.reconcile.verifier import Ask, Verifier
from controller.replicas import Replicas
from controller.sampler import Sampler
from controller.settings import Settings, listed
from controller.store.base import Store
from controller.store.catalogue import Catalogue
from resources.errors import UserError
from resources.meta import Key
from resources.world import World

Observed = Callable[[Observation | None, Key], None]


@dataclass(frozen=True)
class Terms:
    """The parts that outlive a term, and how one is begun on them. knock, ask, fetch: how health
    checks, DNS and certificates are asked; None: for real. noted: told of each observation too."""

    settings: Settings
    instance: str
    store: Store
    engine: Engine
    epoch: Callable[[], int | None]
    world: Callable[[], World]
    catalogue: Catalogue
    queue: Queue[Key]
    clock: Clock
    random: random.Random
    platform: PlatformView
    observer: Observer
    executor: Executor
    tags: Tags
    turns: Turns
    obstructions: Obstructions
    coverage: Coverage
    replicas: Replicas
    gateway: Gateway | None
    noted: Observed
    knock: Knock | None = None
    ask: Ask | None = None
    fetch: Fetch | None = None

    def begin(self) -> Term:
        settings, wake = self.settings, self.queue.add
        self.tags.begin()
        self.turns.begin(rolling(self.world(), self.instance))
        prober = Prober(self.world, wake, self.clock, self.random, self.knock)
        ask = self.ask or Resolution(listed(settings.domain_resolvers))
        verifier = Verifier(self.world, wake, self.clock, self.random, ask)
        certificates = CertificateWatcher(
            self.world,
            wake,
            self.clock,
            self.random,
            self.fetch or Handshake(self._secure_entries),
            self.gateway.orders if self.gateway is not None else None,
        )
        reconciler = self._reconciler(
            prober.observed,
            self.tags.observed,
            verifier.observed,
            certificates.observed,
            self.coverage.observed,
        )
        backoff: Backoff[Key] = Backoff(settings.backoff_base, settings.backoff_cap, self.random)
        sampler = Sampler(self.engine, self.replicas, self.clock)
        self.coverage.begin()
        reconcile = self.coverage.following(reconciler)
        return Term(reconcile, prober, verifier, certificates, sampler, backoff)

    async def apart(self) -> None:
        """A pass over what needs no engine, while there is none: how to find it may be among it.
        Raises StoreUnavailable, Deposed."""
        reconcile = self._reconciler()
        for key in self.catalogue.all_keys():
            if key.kind == "CaasConfiguration" or (key.kind == "Secret" and not key.organization):
                with contextlib.suppress(UserError):  # told in its status
                    await reconcile(key)

    def _reconciler(self, *told: Observed) -> Reconciler:
        return Reconciler(
            catalogue=self.catalogue,
            observer=self.observer,
            executor=self.executor,
            store=self.store,
            epoch=self.epoch,
            wake=self.queue.add,
            turns=self.turns,
            observed=observed(*told, self._counted, self.noted),
            concluded=self.obstructions.note,
        )

    def _counted(self, observation: Observation | None, key: Key) -> None:
        if self.gateway is not None:
            self.gateway.observed(observation.context if observation is not None else None, key)

    def _secure_entries(self) -> list[tuple[str, int]]:
        """Where HTTPS is answered: here, unless the proxies are somebody else's. Empty: nobody
        says where these are."""
        ingress = self.platform().ingress
        if ingress.mode == "external":
            return [(address, ingress.https_port) for address in ingress.addresses]
        bound = self.settings.ingress_address
        return [("127.0.0.1" if bound in ("", "0.0.0.0", "::") else bound, ingress.https_port)]


def observed(*told: Observed) -> Observed:
    """All of them are told each finished observation."""

    def tell(observation: Observation | None, key: Key) -> None:
        for each in told:
            each(observation, key)

    return tell
