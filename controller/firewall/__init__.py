"""The host's own firewall rules for our bridges.

Docker's API alone does not keep a container from the host's listeners: its network's gateway is an
address of the host, also on an ``internal`` network. Here is one nftables table of ours, ``inet
skyctl``, that closes them. It looks at nothing but what comes in through interfaces named
``sky*``, which are the bridges of organizations; a new organization needs no new rule. It only
ever drops: what it lets pass is still for the engine's own rules to judge.

``rules`` says what the table shall be and compares it with what is there (pure), ``nft`` speaks to
the kernel through the program of that name, ``keeper`` looks at each resync and puts back what is
missing where it is asked to and may, ``boot`` makes it survive a reboot.
"""
