"""The ascii engine: data-sheet lines, refusals, garbage, and what a profile may not say."""

import time
import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fsw import quantity
from fsw.bus.protocols import Exchange, ascii_poll
from fsw.bus.protocols.ascii_poll import Ask, ChannelOptions, Options, Profile
from fsw.sample import Fault

SHIPPED = sorted(
    entry.name.removesuffix(".toml")
    for entry in (resources.files("fsw.bus") / "profiles").iterdir()
    if entry.name.endswith(".toml")
)
MINIMAL: dict[str, Any] = tomllib.loads(r"""
description = "DCON module"
address = { first = 1, last = 255, digits = 2 }
request = "#{address}{query}"
terminator = "\r"
reply_terminator = "\r"
reply = '>(?P<value>[+-]\d{1,5}\.\d{1,5})'
error = '\?(?P<address>\d\d)'
checksum = "sum"
longest_reply = 12
timeout = "50 ms"
[queries]
"" = { text = "all channels" }
""")


def ask(name: str, address: int, query: str) -> Exchange:
    options = Options(profile=name, address=address)
    [(exchange, _)] = ascii_poll.exchanges(options, {"value": ChannelOptions(query=query)})
    return exchange


BAROMETER = ask("paroscientific", 1, "P3")
GAUGE = ask("mks_900", 253, "PR4")


@pytest.mark.parametrize(
    ("exchange", "request_bytes", "reply_bytes", "value"),
    [
        (BAROMETER, b"*0100P3\r\n", b"*000114.2345\r\n", 14.2345),
        (GAUGE, b"@253PR4?;FF", b"@253ACK7.602E2;FF", 760.2),
    ],
)
def test_request_and_reply_are_those_of_the_data_sheet(
    exchange: Exchange, request_bytes: bytes, reply_bytes: bytes, value: float
) -> None:
    assert exchange.request == request_bytes
    for size in range(len(reply_bytes)):
        assert exchange.read(reply_bytes[:size]) is None
    assert exchange.read(reply_bytes) == ((value,), Fault.NONE, len(reply_bytes), 0)


@pytest.mark.parametrize(
    ("exchange", "line", "fault", "code"),
    [
        (BAROMETER, b"*000214.2345\r\n", Fault.WRONG_ADDRESS, 0),
        (BAROMETER, b"0114.2345\r\n", Fault.MALFORMED, 0),
        (BAROMETER, b"*0001\r\n", Fault.MALFORMED, 0),
        (BAROMETER, b"*000114.23.45\r\n", Fault.MALFORMED, 0),
        (BAROMETER, b"*0100P3\r\n", Fault.MALFORMED, 0),
        (BAROMETER, b"*0001nan\r\n", Fault.MALFORMED, 0),
        (BAROMETER, b"*00011_4.2\r\n", Fault.MALFORMED, 0),
        (BAROMETER, "*0001\u0661\r\n".encode(), Fault.MALFORMED, 0),
        (GAUGE, b"@253NAK160;FF", Fault.EXCEPTION, 160),
        (GAUGE, b"@252NAK160;FF", Fault.WRONG_ADDRESS, 0),
        (GAUGE, b"64;FF", Fault.MALFORMED, 0),
    ],
)
def test_a_line_that_is_no_answer_is_refused_by_name(
    exchange: Exchange, line: bytes, fault: Fault, code: int
) -> None:
    reply = exchange.read(line)
    assert reply is not None
    assert (reply.values, reply.fault, reply.code) == ((), fault, code)


def test_empty_lines_are_passed_over_and_the_first_reply_counts() -> None:
    reply = BAROMETER.read(b"\r\n\r\n*000114.2345\r\n*000199.0\r\n")
    assert reply is not None
    assert reply.values == (14.2345,)
    assert reply.consumed == len(b"\r\n\r\n*000114.2345\r\n")


def test_a_banner_is_passed_over() -> None:
    kind = Profile.model_validate(MINIMAL | {"banner": "DCON v[0-9.]{1,5}", "checksum": "none"})
    reply = Ask(kind, 1, "").read(b"DCON v1.2\r>+1.5\r")
    assert reply is not None
    assert reply.values == (1.5,)


def test_the_sum_checksum_is_that_of_the_data_sheet() -> None:
    assert Ask(Profile.model_validate(MINIMAL), 1, "").request == b"#0184\r"


def test_the_sum_of_a_config_command_is_that_of_the_data_sheet() -> None:
    kind = Profile.model_validate(MINIMAL | {"request": "${address}{query}"})
    assert Ask(kind, 1, "2").request == b"$012B7\r"


def test_every_single_bit_flip_of_a_line_with_checksum_is_refused() -> None:
    kind = Profile.model_validate(MINIMAL)
    body = b">+12.345"
    line = body + b"%02X\r" % (sum(body) & 0xFF)
    reply = Ask(kind, 1, "").read(line)
    assert reply is not None
    assert reply.values == (12.345,)
    for bit in range(8 * len(line)):
        damaged = bytearray(line)
        damaged[bit // 8] ^= 1 << bit % 8
        reply = Ask(kind, 1, "").read(bytes(damaged))
        case_only = bytes(damaged).upper() == line  # a hex digit in lower case is the same digit
        assert reply is None or reply.fault is not Fault.NONE or case_only, bit


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"reply": r"(?P<value>\d+)"}, "repeats? "),
        ({"reply": r"(?P<value>\d{1,})"}, "repeats? "),
        ({"reply": r"(?P<value>(\d{1,9}){1,9})"}, "repeat no group"),
        ({"reply": r"(?P<value>\d{1,9}"}, "not a pattern"),
        ({"reply": r"\d{1,9}"}, "no group"),
        ({"reply": "°(?P<value>x)"}, "ASCII"),
        ({"request": "#{query}"}, "go together"),
        ({"request": "#{address}"}, "query"),
        ({"longest_reply": 10_000}, "256"),
        ({"terminator": ""}, "at least 1"),
        ({"time_out": "1 s"}, "time_out"),
    ],
)
def test_a_wrong_profile_is_refused_with_what_to_do(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Profile.model_validate(MINIMAL | keys)


def test_stars_and_pluses_that_are_literals_are_allowed() -> None:
    Profile.model_validate(MINIMAL | {"reply": r"\*\+[*+](?P<value>[+-]?\d{1,9})"})


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"profile": "nothing_like_it"}, "paroscientific"),
        ({"profile": "../protocols"}, "is not one of"),
        ({"profile": "paroscientific"}, "1 to 98"),
        ({"profile": "paroscientific", "address": 99}, "1 to 98"),
        ({"profile": "paroscientific", "address": 1, "unit_setting": 9}, "unit_setting"),
    ],
)
def test_wrong_options_are_refused_with_the_bound(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Options.model_validate(keys)


def test_an_unknown_query_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"baro: query 'P9' is not one of P3, Q3"):
        ascii_poll.exchanges(
            Options(profile="paroscientific", address=1), {"baro": ChannelOptions(query="P9")}
        )


def test_the_unit_follows_the_setting_of_the_instrument() -> None:
    pressure = ChannelOptions(query="P3")
    assert ascii_poll.unit(Options(profile="paroscientific", address=1), pressure) is None
    assert ascii_poll.unit(Options(profile="paroscientific", address=1, unit_setting=2), pressure) == "hPa"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_profile_loads_and_its_units_are_units(name: str) -> None:
    profile = ascii_poll.profile(name)
    for query in profile.queries.values():
        for unit in [*query.units.values(), *filter(None, [query.unit])]:
            quantity.scale(unit, "Pa" if "pressure" in query.text else "K")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("filling", [b"1", b"+", b"0.0", b"*0001", b"@253ACK1", b" ", b"\r", b"\xff"])
def test_no_line_holds_up_the_loop(name: str, filling: bytes) -> None:
    profile = ascii_poll.profile(name)
    line = (filling * 512)[:512] + profile.reply_terminator.encode()
    exchange = Ask(profile, 1, next(iter(profile.queries)))
    began_ns = time.perf_counter_ns()
    exchange.read(line)
    assert time.perf_counter_ns() - began_ns < 50_000_000  # takes some 10 us


@settings(max_examples=300, deadline=200)
@given(st.binary(max_size=300), st.sampled_from(SHIPPED))
def test_garbage_gives_no_value_and_no_exception(garbage: bytes, name: str) -> None:
    profile = ascii_poll.profile(name)
    exchange = Ask(profile, 1, next(iter(profile.queries)))
    reply = exchange.read(garbage + profile.reply_terminator.encode())
    assert reply is None or reply.fault is not Fault.NONE
