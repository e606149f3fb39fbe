"""Instruments that answer a line of text with a line of text. A profile in `fsw/bus/profiles` says how.

A profile is data: a new instrument is one TOML file. Its patterns are regular expressions in which every
repeat has an end, so that no reply, however odd, can hold up the loop.
"""

import functools
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsw.bus.protocols import Exchange, Reply, Timing
from fsw.quantity import Duration
from fsw.sample import Fault

_PROFILES = resources.files("fsw.bus") / "profiles"
_LITERALS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")  # what a bracket, star or plus means nothing in
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}|\)\{|\(\?P=")
_NO_CHECKSUM: Callable[[bytes], bytes] | None = None
_CHECKSUMS = {
    "none": _NO_CHECKSUM,
    "sum": lambda body: b"%02X" % (sum(body) & 0xFF),  # of all characters before it, two hex digits
}


def _safe(pattern: str) -> str:
    """The pattern, if its repeats have an end and none is of a group: no match then backtracks for long."""
    if found := _UNBOUNDED.search(_LITERALS.sub("x", pattern)):
        raise ValueError(
            f"{pattern!r} has {found[0]!r}: give repeats an end (\\d{{1,7}}), and repeat no group"
        )
    try:
        re.compile(pattern.encode("ascii"))
    except (re.error, UnicodeEncodeError) as error:
        raise ValueError(f"{pattern!r} is not a pattern of ASCII characters: {error}") from None
    return pattern


Pattern = Annotated[str, Field(max_length=200), AfterValidator(_safe)]
Text = Annotated[str, Field(max_length=32, pattern=r"^[\x00-\x7f]*$")]


class Address(BaseModel):
    """How an instrument is addressed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int = Field(ge=0)
    last: int = Field(le=999)
    digits: int = Field(ge=1, le=3)


class Query(BaseModel):
    """Something that can be asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(description="what it is")
    unit: str | None = Field(default=None, description="of its value, when it cannot be set")
    units: Mapping[str, str] = Field(
        default_factory=dict, description="unit for each setting of the instrument"
    )


class Profile(BaseModel):
    """One kind of instrument. Patterns see one reply without its terminator."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str
    address: Address | None = None
    request: Text = Field(
        description="{address} and {query} are filled in, then checksum and terminator added"
    )
    terminator: Text = Field(min_length=1, description="of a request")
    reply_terminator: Text = Field(min_length=1)
    reply: Pattern = Field(description="groups `value`, and `address` if the reply carries it")
    error: Pattern | None = Field(
        default=None, description="a refusal; groups `code` and `address` if it has them"
    )
    banner: Pattern | None = Field(default=None, description="lines to pass over: greeting, prompt, echo")
    checksum: Literal["none", "sum"] = "none"
    longest_reply: int = Field(ge=1, le=256, description="characters, checksum and terminator included")
    gap: Duration = Field(default=0, description="silence it needs before a request")
    timeout: Duration = Field(description="longest time to the start of a reply")
    queries: Mapping[str, Query] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "Profile":
        if "value" not in re.compile(self.reply).groupindex:
            raise ValueError(f"reply {self.reply!r} has no group (?P<value>...)")
        if ("{address}" in self.request) != (self.address is not None):
            raise ValueError("[address] and {address} in the request go together")
        if "{query}" not in self.request:
            raise ValueError(f"request {self.request!r} has no {{query}}")
        return self


@functools.cache
def profile(name: str) -> Profile:
    """The profile of that name; ValueError if there is none, or it is wrong."""
    names = sorted(
        entry.name.removesuffix(".toml") for entry in _PROFILES.iterdir() if entry.name.endswith(".toml")
    )
    if name not in names:
        raise ValueError(f"profile {name!r} is not one of {', '.join(names)}")
    try:
        return Profile.model_validate(tomllib.loads((_PROFILES / f"{name}.toml").read_text("utf-8")))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"profile {name!r}: {error}") from error


class Options(BaseModel):
    """Keys of an instrument."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str = Field(description="the kind of instrument: a file in fsw/bus/profiles")
    address: int | None = Field(default=None, ge=0, le=999)
    unit_setting: int | str | None = Field(
        default=None, description="the unit code set in the instrument; fixes the units of its channels"
    )

    @model_validator(mode="after")
    def _check(self) -> "Options":
        addresses = profile(self.profile).address
        if addresses is None:
            if self.address is not None:
                raise ValueError(f"address {self.address}: a {self.profile} has none; leave it out")
        elif self.address is None or not addresses.first <= self.address <= addresses.last:
            raise ValueError(
                f"address {self.address}: a {self.profile} has one from {addresses.first} to {addresses.last}"
            )
        settings = {setting for query in profile(self.profile).queries.values() for setting in query.units}
        if self.unit_setting is not None and str(self.unit_setting) not in settings:
            raise ValueError(
                f"unit_setting {self.unit_setting!r} is not one of {', '.join(sorted(settings))}"
            )
        return self


class ChannelOptions(BaseModel):
    """Keys of a channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str = Field(description="what to ask for, as the profile names it")


class Ask:
    """One query to one instrument."""

    def __init__(self, kind: Profile, address: int | None, query: str) -> None:
        self._checksum = _CHECKSUMS[kind.checksum]
        self._address = address
        self._terminator = kind.reply_terminator.encode("ascii")
        self._reply = re.compile(kind.reply.encode("ascii"))
        self._error = re.compile((kind.error or r"(?!)").encode("ascii"))  # (?!) never matches
        self._banner = re.compile((kind.banner or r"(?!)").encode("ascii"))
        digits = f"{address:0{kind.address.digits}d}" if kind.address is not None else ""
        body = kind.request.replace("{address}", digits).replace("{query}", query).encode("ascii")
        check = self._checksum(body) if self._checksum else b""
        self.request = body + check + kind.terminator.encode("ascii")
        self.reply_bytes = kind.longest_reply

    def read(self, reply: bytes) -> Reply | None:
        """The first whole line that is neither empty nor a banner."""
        start = 0
        while (end := reply.find(self._terminator, start)) >= 0:
            line = reply[start:end].lstrip(b"\r\n")
            start = end + len(self._terminator)
            if line and not self._banner.fullmatch(line):
                fault, code, values = self._judge(line)
                return Reply(values, fault, start, code)
        return None

    def _judge(self, line: bytes) -> tuple[Fault, int, tuple[float, ...]]:
        """Fault, exception code and value of one line."""
        if self._checksum:
            line, check = line[:-2], line[-2:]
            if self._checksum(line) != check.upper():
                return Fault.CHECKSUM, 0, ()
        answer = self._reply.fullmatch(line)
        refusal = self._error.fullmatch(line) if answer is None else None
        found = answer or refusal
        if found is None:
            return Fault.MALFORMED, 0, ()
        groups = {name: text for name, text in found.groupdict().items() if text is not None}
        try:
            if self._address is not None and int(groups.get("address", self._address)) != self._address:
                return Fault.WRONG_ADDRESS, 0, ()
            if refusal:
                return Fault.EXCEPTION, int(groups.get("code", 0)), ()
            value = float(groups["value"])
        except (ValueError, KeyError):  # a pattern that lets through more than numbers
            return Fault.MALFORMED, 0, ()
        return Fault.NONE, 0, (value if math.isfinite(value) else math.nan,)


def exchanges(
    options: Options, channels: Mapping[str, ChannelOptions]
) -> list[tuple[Exchange, tuple[str, ...]]]:
    """One exchange for each channel. ValueError for a query that the profile does not know."""
    kind = profile(options.profile)
    for name, channel in channels.items():
        if channel.query not in kind.queries:
            raise ValueError(f"{name}: query {channel.query!r} is not one of {', '.join(kind.queries)}")
    return [(Ask(kind, options.address, channel.query), (name,)) for name, channel in channels.items()]


def timing(options: Options, byte_ns: int) -> Timing:
    """As the profile says; after a failure the line is kept quiet for the time-out once more."""
    kind = profile(options.profile)
    return Timing(gap_ns=kind.gap, timeout_ns=kind.timeout, quiet_ns=kind.timeout)


def unit(options: Options, channel: ChannelOptions) -> str | None:
    """The unit that the profile fixes, or that `unit_setting` picks."""
    query = profile(options.profile).queries.get(channel.query)
    if query is None:
        return None
    return query.unit or query.units.get(str(options.unit_setting))
