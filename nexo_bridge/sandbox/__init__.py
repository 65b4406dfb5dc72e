"""A platform that behaves, and misbehaves on request: mutual TLS, OAuth2, terminals, cardholders, a ledger.

It imports nothing of the package but ``errors``: its own models and its own grammar of the platform, written
from ``docs/ppaas-contract.md``, so that it cannot repeat the bridge's mistakes and agree with them.

What it does beyond a real platform: remember everything it was told (``Ledger``), wait for
a test's word before a cardholder acts (``hold``), and lose, delay or falsify an answer by name (``faults``).
"""
