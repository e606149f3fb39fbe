"""What a vessel's instruments say at one instant, and what its model makes of it."""

import enum
import math
from typing import Annotated, NamedTuple, Protocol

from pydantic import BeforeValidator

from fsw.quantity import Measured


class State(NamedTuple):
    """One instant: values with the noise of one sample; a gas temperature only where it is measured."""

    pressure_pa: Measured
    temperature_k: Measured
    gas_temperature_k: Measured | None = None


class Inventory(NamedTuple):
    """How much is in the vessel, and what can be wrong with it in which way."""

    kg: float
    sigma_kg: float  # all of it
    noise_kg: float  # from sample to sample
    scale: float  # relative standard error of every change and rate: volumes, density
    kg_per_k: float  # for an error of the mean temperature
    unseen_kg_per_k: float  # for what follows the temperature and is not measured; 0 where nothing does
    fading_per_kg: float = 0.0  # by which share of itself the flow through a hole falls for each kg lost


class TimeLeft(NamedTuple):
    """How long a leaking vessel lasts; inf where it will not come to that, None where the model has no such end."""

    to_limit_s: Measured
    to_empty_s: Measured | None = None


class Model(Protocol):
    """A kind of vessel. Pure: no state, no time."""

    @property
    def zero_leak_kg_per_s(self) -> float:
        """The leak that counts as none."""

    @property
    def leak_limit_kg_per_s(self) -> float:
        """The leak that is too much; inf where none is declared."""

    @property
    def assumed_temperature_k(self) -> Measured:
        """Where no channel measures it."""

    def kg(self, pressure_pa: float, temperature_k: float, gas_temperature_k: float | None) -> float:
        """How much is in it; NaN where the state has no meaning for it."""

    def inventory(self, state: State) -> Inventory:
        """The same with all that can be wrong with it."""

    def magnified(self, state: State, age_s: float, span_s: float) -> Measured:
        """How many times larger a leak that is `age_s` old shows in the inventory's slope over the last `span_s`."""

    def hole(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> Measured:
        """Diameter in m that explains a rate, which comes with its whole error."""

    def time_left(self, state: State, inventory: Inventory, rate_kg_per_s: Measured) -> TimeLeft:
        """How long it lasts; the rate comes without the error of `Inventory.scale`, for that may cancel."""


MOST_CHANNELS = 3  # of one input: more do not vote better, and cost


def _channels(value: object) -> object:
    names = value if isinstance(value, list | tuple) else [value]
    if not 1 <= len(names) <= MOST_CHANNELS or not all(isinstance(name, str) for name in names):
        raise ValueError(
            'must be a channel, as "pt1.pressure", or a list of two or three: ["pt1.pressure", ...]'
        )
    if len(names) > len(set(names)):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"names {twice} twice: an instrument cannot vouch for itself; leave one out")
    return names[0] if len(names) == 1 else tuple(names)


Channels = Annotated[str | tuple[str, ...], BeforeValidator(_channels)]


class Input(NamedTuple):
    """A key of a model's table that names a channel, or up to three that are fused."""

    key: str
    quantity: str
    required: bool


class Output(NamedTuple):
    """A parameter of each vessel: `<vessel>.<name>`."""

    name: str
    unit: str
    text: str


class Finding(enum.IntEnum):
    """`<vessel>.verdict`: what is found, or why it cannot be told."""

    NO_LEAK = 0
    LEAK = 1
    EXCEEDED = 2  # a leak, and surely above leak_limit
    TRANSIENT = 3  # no leak; but temperatures move, and a larger one than usual may hide behind them
    LEARNING = 4  # the noise is not known yet: only a gross leak would be seen
    NO_TEMPERATURE = 5  # no channel measures it: a small slope may be anything
    SUSPENDED = 6  # a phase of the test
    UNCERTAIN_INPUT = 7
    FLAT = 8  # the pressure does not move by a bit
    BLIND = 9


def names(channels: str | tuple[str, ...]) -> tuple[str, ...]:
    """The channels of an input, one or more."""
    return (channels,) if isinstance(channels, str) else channels


PRESSURE = Input("pressure", "pressure", required=True)
TEMPERATURE = Input("temperature", "temperature", required=True)

OUTPUTS = (
    Output("inventory", "kg", "fluid in the vessel"),
    Output("leak_rate", "kg/s", "lost, positive out of the vessel"),
    Output("leak_certainty", "", "evidence over what is needed: 1 and more is a leak"),
    Output(
        "verdict",
        "",
        "0 no leak, 1 leak, 2 above leak_limit, 3 transient, 4 to 9 cannot be told: see the manual",
    ),
    Output("onset", "s", "age of the leak"),
    Output("hole", "m", "diameter of the round hole that explains the leak"),
    Output("time_to_limit", "s", "until the pressure is down to the vessel's limit"),
)
EXACT = Measured(1.0, 0.0)
NEVER = Measured(math.inf, math.nan)
NEVER_S = 1e9  # 31 years, longer than anybody waits; finite in the table, so that limits and ground systems can compare
