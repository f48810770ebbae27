"""What a controller is made of: which part is built from which others, and who tells whom.

Nothing runs by being built; see ``app.py``.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from controller.acting import Acting
from controller.clock import Clock, SystemClock
from controller.configuration import KEY as CONFIGURATION
from controller.configuration import Configuration
from controller.coverage import Coverage
from controller.engine.base import Engine
from controller.engine.index import EngineIndex
from controller.firewall.keeper import keeper
from controller.firewall.nft import Nft
from controller.gate import Gate
from controller.health import Health
from controller.identity import EngineIdentity
from controller.ingress.gateway import Gateway, Wiring
from controller.loop.backoff import Backoff
from controller.loop.leadership import Leadership
from controller.loop.queue import Queue
from controller.metrics import METRICS
from controller.platform import PlatformView
from controller.pull_feed import PullFeed
from controller.reconcile.certificates import Fetch
from controller.reconcile.disused import Disused
from controller.reconcile.execute import Executor
from controller.reconcile.image_policy import image_policy
from controller.reconcile.lastwords import LastWords
from controller.reconcile.observe import Observer
from controller.reconcile.obstructions import Obstructions
from controller.reconcile.orphans import MassChangeLimits, Sweeper
from controller.reconcile.preview import Previewer
from controller.reconcile.probes import Knock
from controller.reconcile.pull_news import PullNews
from controller.reconcile.pulling import Pulling
from controller.reconcile.retention import Retention
from controller.reconcile.tags import Tags
from controller.reconcile.turns import Turns
from controller.reconcile.verifier import Ask
from controller.replicas import Replicas
from controller.resync import Resync
from controller.routed import Routed
from controller.sealing import FileKeyring, Keyring, Vault
from controller.settings import Settings
from controller.sources.database import DatabaseSource
from controller.sources.manifests import Directory, ManifestSource
from controller.store.base import Store
from controller.store.catalogue import Catalogue
from controller.store.readings import Reading
from controller.terms import Terms
from controller.waking import Waking
from resources.meta import Key
from resources.steps import PullImage


class Composition:
    """Built around a store and an engine, whichever they are."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        engine: Engine,
        instance: str,
        *,
        clock: Clock | None = None,
        random_: random.Random | None = None,
        knock: Knock | None = None,
        manifests: Sequence[Directory] = (),
        keyring: Keyring | None = None,
        nft: Nft | None = None,
        last_words: Path | None = None,
        ask: Ask | None = None,
        fetch: Fetch | None = None,
        ingress: Callable[[Wiring], Gateway] | None = None,
        configuration: Configuration | None = None,
    ) -> None:
        self.settings = settings
        self.store = store
        self.vault = Vault(store, keyring or FileKeyring(settings.sealing_key_file))
        self.configuration = configuration or Configuration(store, settings, self.vault)
        self.engine = engine
        self.instance = instance
        self.clock = clock or SystemClock()
        self.random = random_ or random.Random()
        self.process = f"{socket.gethostname()}:{os.getpid()}:{self.random.getrandbits(32):08x}"
        self.stop = asyncio.Event()
        self.once_failed: list[str] = []
        self.queue: Queue[Key] = Queue(METRICS.queue, group=_tenant)
        self.catalogue = Catalogue()
        self.pulls = PullFeed()
        self.last_words = LastWords(engine, self.clock, last_words)
        self.obstructions = Obstructions()
        self.manifests: list[ManifestSource] = []
        self._mirrors(manifests)
        self._surroundings(nft, ingress)
        self._passes()
        terms = self._terms(knock, ask, fetch)
        self._leading(terms)
        self._answers()

    def _mirrors(self, manifests: Sequence[Directory]) -> None:
        """What is known of store, engine and directories, and who is woken by it."""
        store, settings, instance = self.store, self.settings, self.instance
        self.waking = Waking(
            self.queue,
            self.catalogue,
            lambda: self.index.world,
            self.obstructions,
            instance,
            self.manifests,
        )
        self.index = EngineIndex(
            self.engine,
            instance=instance,
            random_=self.random,
            on_change=self._engine_changed,
            on_relist=self._relisted,
        )
        self.replicas = Replicas(
            lambda: self.index.world,
            self.catalogue.key_of,
            instance,
            self.index.deaths.oom_kills,
            METRICS.containers,
        )
        self.identity = EngineIdentity(store, self.engine)
        self.gate = Gate(self.index, self.identity)
        self.leadership = Leadership(store.leadership(self.process), Backoff(0.2, 5.0, self.random))
        self.database = DatabaseSource(
            store, self.catalogue, self._row_changed, self.random, on_missed=self.decided
        )
        self.manifests += [
            ManifestSource(
                d.name,
                d.directory,
                store=store,
                settings=settings,
                epoch=self.leadership.current,
                vault=self.vault,
            )
            for d in manifests
        ]

    def _surroundings(self, nft: Nft | None, ingress: Callable[[Wiring], Gateway] | None) -> None:
        """What holds for every pass: the host's firewall, pulls, proxies."""
        settings = self.settings
        self.firewall = keeper(
            settings, nft, lambda: self.identity.info, changed=self.waking.firewall_changed
        )
        self.pull_news = PullNews(self.store, self.leadership.current)
        self.pulling = Pulling(self.engine, self.store, self.leadership.current)
        self.routed = Routed(settings, self.catalogue, lambda: self.index.world, self.queue.add)
        self.coverage = Coverage(self.routed.keys, self._look_again, self.clock)
        self.gateway = ingress(self._wiring()) if ingress is not None else None
        self.platform = PlatformView(
            settings,
            self.instance,
            self.identity,
            self.vault,
            self.firewall,
            self.pulling,
            self.gateway,
            lambda: self.configuration.in_force,
            lambda: self.index.synced,
        )

    def _wiring(self) -> Wiring:
        return self.routed.wiring(
            instance=self.instance,
            clock=self.clock,
            open_=self.vault.open,
            here=lambda: self.identity.here,
            epoch=self.leadership.current,
            coverage=self.coverage,
        )

    def _passes(self) -> None:
        """Observing and executing."""
        settings, epoch = self.settings, self.leadership.current
        self.tags = Tags(
            self.engine.ask_registry,
            self.vault.open,
            self.queue.add,
            lambda: epoch() is not None,
            self.clock,
            settings.image_check_interval,
        )
        self.turns = Turns(settings.rollout_concurrency, self.queue.add)
        self.observer = Observer(
            self.catalogue,
            lambda: self.index.world,
            self.engine,
            self.index.read,
            self.store,
            self.platform,
            self.clock,
            self.index.ensure_images,
            self.vault.unreadable,
            self.turns.holds,
            self.index.deaths.code,
            self.tags.digest,
            self.gateway.requests if self.gateway is not None else lambda _key: None,
        )
        self.executor = Executor(
            self.engine,
            self.store,
            epoch,
            concurrency=settings.engine_concurrency,
            pulls=settings.pull_concurrency,
            secrets=self.vault,
            wake=self.queue.add,
            gate=self.gate,
            doubt=self.index.forget_images,
            pull=self._pull,
            news=self.pull_news,
            verify=image_policy(settings, self.engine, self.store, epoch, self.clock),
            words=self.last_words,
            routes=self.gateway,
        )

    def _terms(self, knock: Knock | None, ask: Ask | None, fetch: Fetch | None) -> Terms:
        return Terms(
            settings=self.settings,
            instance=self.instance,
            store=self.store,
            engine=self.engine,
            epoch=self.leadership.current,
            world=lambda: self.index.world,
            catalogue=self.catalogue,
            queue=self.queue,
            clock=self.clock,
            random=self.random,
            platform=self.platform,
            observer=self.observer,
            executor=self.executor,
            tags=self.tags,
            turns=self.turns,
            obstructions=self.obstructions,
            coverage=self.coverage,
            replicas=self.replicas,
            gateway=self.gateway,
            noted=lambda _observation, key: self.configuration.heard(key),
            knock=knock,
            ask=ask,
            fetch=fetch,
        )

    def _leading(self, terms: Terms) -> None:
        """What only the leader does."""
        settings, epoch = self.settings, self.leadership.current
        sweeper = Sweeper(
            store=self.store,
            engine=self.engine,
            executor=self.executor,
            instance=self.instance,
            epoch=epoch,
            limits=MassChangeLimits(settings.mass_change_percent, settings.mass_change_minimum),
        )
        self.resync = Resync(
            settings=settings,
            random_=self.random,
            index=self.index,
            database=self.database,
            catalogue=self.catalogue,
            queue=self.queue,
            sweeper=sweeper,
            retention=Retention(self.store, self.executor, self.clock, epoch),
            pulling=self.pulling,
            swept=self.coverage.swept,
            disused=Disused(
                self.store, self.engine, self.executor, epoch, settings.image_generations
            ),
        )
        self.acting = Acting(
            identity=self.identity,
            index=self.index,
            database=self.database,
            queue=self.queue,
            resync=self.resync,
            manifests=self.manifests,
            prepare=self._prepare,
            begin=terms.begin,
            apart=terms.apart,
            workers=settings.workers,
            drain_seconds=settings.drain_timeout,
            clock=self.clock,
            stop=self.stop,
            ingress=self.gateway,
        )

    def _answers(self) -> None:
        """What whoever asks is told."""
        self.preview = Previewer(
            self.observer,
            self.catalogue,
            lambda: self.index.world,
            self.platform,
            self.clock,
            self.index.ensure_images,
            self.vault.unreadable,
        )
        self.health = Health(
            leading=lambda: self.leadership.epoch is not None,
            store_reason=lambda: (
                "" if self.database.connected else f"store: {self.database.last_error}"
            ),
            engine_reason=lambda: (
                ""
                if self.index.synced
                else f"engine: {self.index.last_error or 'first listing under way'}"
            ),
            engine_refused=lambda: self.identity.refused,
        )

    async def _prepare(self) -> None:
        await self.vault.prepare()
        await self.pulling.load()

    # -- what wakes the loop
    def _row_changed(self, key: Key, gone: Reading | None) -> None:
        self.waking.row_changed(key, gone)
        self.configuration.heard(key)

    def configured(self) -> None:
        """The row of the CaasConfiguration is in force, or is not: its status says so."""
        self.queue.add(CONFIGURATION)

    def _engine_changed(self, labels: Mapping[str, str] | None, name: str, type_: str) -> None:
        self.waking.engine_changed(labels, name, type_)
        self.replicas.changed(labels, name, type_)

    def _relisted(self, reason: str) -> None:
        METRICS.sources.relists.labels("engine", reason).inc()
        if reason != "resync":
            self.identity.doubt()
            self.resync.enqueue(urgent=False)

    def _look_again(self) -> None:
        self.resync.enqueue(urgent=False)
        self.resync.wake()

    def decided(self) -> None:
        """A person decided something, here or through another process (or may have, when we were
        not told): the sources and the sweep look again now."""
        for source in self.manifests:
            source.wake()
        self.resync.wake()

    async def _pull(self, step: PullImage) -> None:
        await self.pulling(step)
        self.tags.pulled(step)


def _tenant(key: Key) -> str:
    """Whose key it is: one organization's many must not keep another's waiting."""
    return key.organization or key.name
