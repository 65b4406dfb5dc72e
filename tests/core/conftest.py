"""How hard the properties of the core are tried: a little and always alike in every run, long and anew on request."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "thorough",
    max_examples=3000,
    stateful_step_count=120,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
