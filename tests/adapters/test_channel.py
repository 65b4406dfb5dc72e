from __future__ import annotations

from nexo_bridge.adapters.channel import NOT_ASKED_FOR, Channel, ChannelState
from nexo_bridge.adapters.stream import StreamChannel
from nexo_bridge.adapters.webhook import WebhookChannel


def test_both_channels_fit_the_port() -> None:
    kinds: tuple[type[Channel], ...] = (StreamChannel, WebhookChannel)  # the type checker looks closer

    assert all(
        hasattr(kind, name) for kind in kinds for name in ("start", "owns", "acknowledge", "state", "close")
    )


def test_what_was_never_tried_has_no_problem() -> None:
    state = ChannelState(up=False)

    assert (state.problem, state.last_event) == (None, None)
    assert NOT_ASKED_FOR == 0, "numbers of events begin above it"
