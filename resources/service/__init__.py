"""Service: an image that runs in some replicas, on its organization's network.

``spec`` what is declared, ``rules`` what must hold across its fields. ``wanted`` the declaration
resolved, ``revision`` its hash, ``container`` one replica rendered. ``fleet`` sorts what there is,
``drift`` compares it field by field. ``plan`` decides: ``heal`` what should be as it is,
``rollout`` what goes next, ``creation`` makes it, ``one_off`` the preDeploy. ``status`` says it.
"""
