"""How requests find containers: what is published to the proxies, and what they are seen to serve.

Theory. Two kinds of documents, each a part of Traefik's dynamic configuration with one owner. A
Domain publishes its routers and middlewares; a Service publishes its backends, the addresses that
requests for it may go to. A domain change touches no container, a rollout touches no router, and a
Domain that moves to another Service changes in one write. A proxy is believed only for what it
shows through its API: published is not served.

Cutover, all of it recognised from the world: a new replica is proven, published beside the old
ones and *seen* in every proxy; then the old one is left out, *seen* to be gone from every proxy,
drained, and only then stopped.
"""
