"""The board's packets as an XTCE 1.2 database, written from the field lists that the packers use.

XTCE names have no dots: the parameter `pt1.pressure` is called `pt1-pressure` there, and beside it stand
`pt1-pressure-sigma`, `-origin` and `-quality`. Lists of any length are one binary field whose size follows
from their count, since most readers know no arrays.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fsw.packets import event, heartbeat, housekeeping, occurrence, samples, transition
from fsw.packets.field import Field, Roster, Word, flat
from fsw.packets.frame import HEADER, TRAILER
from fsw.table import Parameter

NAMESPACE = "http://www.omg.org/spec/XTCE/20180204"
ROOT = "CCSDSPacket"
_SCHEMA = {
    "xmlns": NAMESPACE,
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:schemaLocation": f"{NAMESPACE} https://www.omg.org/spec/XTCE/20180204/SpaceSystem.xsd",
}
_REFUSED = r"[./:\[\]\s]"  # what an XTCE name must not have
_ENCODINGS = {
    "u": ("IntegerDataEncoding", "unsigned"),
    "i": ("IntegerDataEncoding", "twosComplement"),
    "t": ("IntegerDataEncoding", "unsigned"),
    "f": ("FloatDataEncoding", "IEEE754_1985"),
}


@dataclass(frozen=True, slots=True)
class _Binary:
    """A field of `unit_bits` times the value of `count`."""

    name: str
    text: str
    count: str
    unit_bits: int


_Entry = Field | _Binary


def xtce_name(name: str) -> str:
    """A parameter's name as XTCE allows it; the way back is to put the dots again."""
    return name.replace(".", "-")


def document(
    board: str,
    apid: int,
    parameters: Sequence[Parameter],
    sets: Mapping[int, Sequence[int]],
    alarms: Mapping[int, str],
    phases: Mapping[int, str] | None = None,
) -> str:
    """The XML. `sets`: housekeeping set id -> rows of `parameters` in packet order; `alarms`, `phases`: id -> name."""
    rosters = {
        Roster.PARAMETER: {parameter.id: parameter.name for parameter in parameters},
        Roster.ALARM: dict(alarms),
        Roster.PHASE: {0: "NONE", **(phases or {})},
    }
    writer = _Writer(board, rosters)
    writer.container(ROOT, "CCSDS primary header", flat(HEADER[:3]), abstract=True)
    telemetry = f"PKT_APID == {apid}, TYPE == 0, SEC_HDR_FLG == 1"
    writer.container("Telemetry", f"All packets of {board}", flat(HEADER[3:]), ROOT, telemetry, abstract=True)
    _alarm_containers(writer)
    kind = f"SERVICE == {occurrence.SERVICE}, SUBSERVICE == {occurrence.SUBSERVICE}"
    one = [*flat(occurrence.FIELDS), TRAILER]
    writer.container("Occurrence", "What happened to a vessel and is no leak", one, "Telemetry", kind)
    _list_containers(writer)
    heartbeat_is = f"SERVICE == {heartbeat.SERVICE}, SUBSERVICE == {heartbeat.SUBSERVICE}"
    writer.container(
        "Heartbeat", "The monitor is alive", [*flat(heartbeat.FIELDS), TRAILER], "Telemetry", heartbeat_is
    )
    housekeeping_is = f"SERVICE == {housekeeping.SERVICE}, SUBSERVICE == {housekeeping.SUBSERVICE}"
    writer.container(
        "Housekeeping", "A set of parameters", [housekeeping.SID], "Telemetry", housekeeping_is, abstract=True
    )
    for sid, rows in sets.items():
        words = [word for row in rows for word in _housekeeping_words(parameters[row])]
        entries = [*flat(words), TRAILER]
        writer.container(f"Housekeeping_{sid}", f"Set {sid}", entries, "Housekeeping", f"SID == {sid}")
    return writer.text()


def _alarm_containers(writer: "_Writer") -> None:
    first, last = event.SUBSERVICES[0], event.SUBSERVICES[-1]
    kind = f"SERVICE == {event.SERVICE}, SUBSERVICE >= {first}, SUBSERVICE <= {last}"
    writer.container("Alarm", "One change of one alarm", [*flat(event.FIELDS), TRAILER], "Telemetry", kind)


def _list_containers(writer: "_Writer") -> None:
    kind = f"SERVICE == {transition.SERVICE}, SUBSERVICE == {transition.SUBSERVICE}"
    writer.container("Transitions", "Changes of checks", [transition.COUNT], "Telemetry", kind, abstract=True)
    one = [*flat(transition.FIELDS), TRAILER]
    writer.container("Transition", "One change, as the monitor sends it", one, "Transitions", "N == 1")
    entries = _Binary("transitions", "N entries", transition.COUNT.name, 8 * transition.ENTRY_BYTES)
    writer.container("Transition_list", "Several changes", [entries, TRAILER], "Transitions", "N != 1")
    kind = f"SERVICE == {samples.SERVICE}, SUBSERVICE == {samples.SUBSERVICE}"
    entries = _Binary("samples", "N entries", samples.COUNT.name, 8 * samples.ENTRY_BYTES)
    writer.container(
        "Samples", "Samples as they entered", [samples.COUNT, entries, TRAILER], "Telemetry", kind
    )


def _housekeeping_words(parameter: Parameter) -> Iterable[Word]:
    return housekeeping.fields(xtce_name(parameter.name), parameter.unit, parameter.text or parameter.name)


class _Writer:
    """The document under way; types and parameters are declared when a container first needs them."""

    def __init__(self, board: str, rosters: Mapping[Roster, Mapping[int, str]]) -> None:
        name = re.sub(_REFUSED, "_", board)
        self._root = ET.Element("SpaceSystem", _SCHEMA, name=name)
        ET.SubElement(self._root, "Header", validationStatus="Working")
        telemetry = ET.SubElement(self._root, "TelemetryMetaData")
        self._types, self._parameters, self._containers = (
            ET.SubElement(telemetry, tag) for tag in ("ParameterTypeSet", "ParameterSet", "ContainerSet")
        )
        self._rosters = rosters
        self._type_names: dict[object, str] = {}
        self._entries: dict[str, _Entry] = {}

    def container(
        self,
        name: str,
        text: str,
        entries: Iterable[_Entry],
        base: str = "",
        condition: str = "",
        *,
        abstract: bool = False,
    ) -> None:
        """A container, which is `base` continued where `condition` ("A == 1, B >= 2") holds."""
        flags = {"abstract": "true"} if abstract else {}
        element = ET.SubElement(
            self._containers, "SequenceContainer", flags, name=name, shortDescription=text
        )
        entry_list = ET.SubElement(element, "EntryList")
        for entry in entries:
            self._declare(entry)
            ET.SubElement(entry_list, "ParameterRefEntry", parameterRef=entry.name)
        if base:
            criteria = ET.SubElement(
                ET.SubElement(element, "BaseContainer", containerRef=base), "RestrictionCriteria"
            )
            comparisons = ET.SubElement(criteria, "ComparisonList")
            for comparison in condition.split(", "):
                parameter, operator, value = comparison.split()
                ET.SubElement(
                    comparisons,
                    "Comparison",
                    parameterRef=parameter,
                    comparisonOperator=operator,
                    value=value,
                    useCalibratedValue="false",
                )

    def text(self) -> str:
        """The document."""
        ET.indent(self._root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(self._root, encoding="unicode") + "\n"

    def _declare(self, entry: _Entry) -> None:
        known = self._entries.setdefault(entry.name, entry)
        if known != entry:
            raise ValueError(f"two fields are called {entry.name}: {known} and {entry}")
        if len(self._parameters) < len(self._entries):  # it was not known
            attributes = {"name": entry.name, "parameterTypeRef": self._type(entry)}
            ET.SubElement(self._parameters, "Parameter", attributes, shortDescription=entry.text)

    def _type(self, entry: _Entry) -> str:
        if isinstance(entry, _Binary):
            return self._binary_type(entry)
        labels = self._rosters[entry.labels] if isinstance(entry.labels, Roster) else entry.labels or {}
        key = (entry.type, entry.unit, *labels.items())
        if key not in self._type_names:
            name = (
                f"{entry.name}_{entry.type}"
                if labels
                else re.sub(_REFUSED, "_", f"{entry.type} {entry.unit}".strip())
            )
            self._type_names[key] = name
            if entry.type.startswith("t"):
                self._time_type(name, entry)
            else:
                self._number_type(name, entry, labels)
        return self._type_names[key]

    def _number_type(self, name: str, field: Field, labels: Mapping[int, str]) -> None:
        kind = "Enumerated" if labels else "Float" if field.type.startswith("f") else "Integer"
        element = ET.SubElement(self._types, f"{kind}ParameterType", name=name)
        if field.unit:
            ET.SubElement(ET.SubElement(element, "UnitSet"), "Unit").text = field.unit
        _encoding(element, field)
        if labels:
            enumeration = ET.SubElement(element, "EnumerationList")
            for value, label in labels.items():
                ET.SubElement(enumeration, "Enumeration", value=str(value), label=label)

    def _time_type(self, name: str, field: Field) -> None:
        element = ET.SubElement(self._types, "AbsoluteTimeParameterType", name=name)
        scaled = ET.SubElement(element, "Encoding", units="seconds", scale=repr(2.0**-24))
        _encoding(scaled, field)
        ET.SubElement(ET.SubElement(element, "ReferenceTime"), "Epoch").text = "UNIX"

    def _binary_type(self, binary: _Binary) -> str:
        name = f"{binary.name}_bytes"
        element = ET.SubElement(self._types, "BinaryParameterType", name=name)
        size = ET.SubElement(ET.SubElement(element, "BinaryDataEncoding"), "SizeInBits")
        dynamic = ET.SubElement(size, "DynamicValue")
        ET.SubElement(dynamic, "ParameterInstanceRef", parameterRef=binary.count, useCalibratedValue="false")
        ET.SubElement(dynamic, "LinearAdjustment", slope=str(binary.unit_bits), intercept="0")
        return name


def _encoding(parent: ET.Element, field: Field) -> None:
    element, encoding = _ENCODINGS[field.type[0]]
    ET.SubElement(parent, element, encoding=encoding, sizeInBits=str(field.bits))
