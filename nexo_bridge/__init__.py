"""nexo-bridge: nexo Retailer (Sale to POI) on one side, PPaaS on the other, and exactly one payment between."""

__version__ = "0.1.0"
