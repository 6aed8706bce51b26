"""How agents work: turns, sizes, attempts, limits, retention."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config.kinds import KIB, MIB, Count, Seconds


class WorkSettings(BaseSettings):
    """How agents work: turns, sizes, attempts, limits, retention."""

    max_concurrent_turns: Count = Field(256, ge=1, description="Turns that run at the same time on one host.")
    max_pending_events: Count = Field(
        10_000, ge=1, description="Events that may wait on one host before its doors answer 429 with Retry-After."
    )
    turn_events_max: Count = Field(64, ge=1, description="Events of one agent that one turn may handle, in one commit.")
    turn_timeout_seconds: Seconds = Field(
        300, gt=0, description="How long one turn may run before it is stopped, in seconds."
    )
    turn_deadline_seconds: Seconds = Field(
        240,
        gt=0,
        description="How old a turn may be and still begin a step, in seconds; its event goes on in the next turn.",
    )
    clock_skew_seconds: Seconds = Field(
        5,
        ge=0,
        description="How far the clocks of two hosts may be apart, in seconds: nobody decides about a call before.",
    )
    drain_timeout_seconds: Seconds = Field(
        20, ge=0, description="How long a host that stops waits for its running turns, in seconds."
    )
    event_bytes_max: Count = Field(MIB, ge=KIB, le=100 * MIB, description="The largest event, in bytes.")
    event_depth_max: Count = Field(64, ge=1, le=500, description="The deepest nesting of an event's data, in levels.")
    state_bytes_max: Count = Field(100 * MIB, ge=KIB, description="The largest state of one agent, in bytes.")
    inline_bytes_max: Count = Field(
        64 * KIB,
        ge=0,
        le=MIB,
        description="The largest value that is kept in a row, in bytes; a larger one becomes a blob.",
    )
    attempts_max: Count = Field(5, ge=1, description="Attempts of one event before it is quarantined.")
    backoff_base_seconds: Seconds = Field(
        1.0, gt=0, description="The longest wait after a first failed attempt, in seconds."
    )
    backoff_max_seconds: Seconds = Field(300, gt=0, description="The longest wait between two attempts, in seconds.")
    hops_max: Count = Field(
        32, ge=1, description="Agents that a chain of events may pass through before it is stopped."
    )
    credits_max: Count = Field(1000, ge=1, description="Events that one event may cause in all, fan-out included.")
    event_steps_max: Count = Field(
        1000, ge=1, description="Steps (calls of models, tools and functions) of one event before it is quarantined."
    )
    step_repeats_max: Count = Field(
        50, ge=1, description="How often one event may make the very same call before it is quarantined."
    )
    crash_limit: Count = Field(
        3, ge=1, description="Host crashes while one event runs before that event is quarantined."
    )
    dedupe_days: Count = Field(
        30,
        ge=1,
        description="How long a finished event is remembered, in days: the window in which it is applied exactly once.",
    )
    history_days: Count = Field(
        30,
        ge=1,
        description="How long a finished event stays to be looked at, with its steps, in days; `dedupe_days` at least.",
    )
    history_states: Literal["off", "steps", "all"] = Field(
        "steps",
        description="Which states are kept for diff, fork and replay: `off`, those around events with `steps`, `all`.",
    )
    history_states_max: Count = Field(100, ge=2, description="States that are kept of one agent, the newest.")
    warm_agents_max: Count = Field(10_000, ge=0, description="Sleeping agents whose state one host keeps in memory.")
    subscriptions_refresh_seconds: Seconds = Field(
        5, gt=0, description="How old a host's view of subscriptions that other hosts made may be, in seconds."
    )

    @model_validator(mode="after")
    def _check_backoff(self) -> Self:
        if self.backoff_max_seconds < self.backoff_base_seconds:
            raise ValueError("backoff_max_seconds is smaller than backoff_base_seconds")
        return self
