"""Verdicts as JUnit XML, which every CI system shows."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hil.expect import Verdict


class Result(NamedTuple):
    """One scenario's outcome; `error` when it could not be run to its end."""

    name: str
    verdicts: Sequence[Verdict]
    wall_s: float
    error: str = ""

    @property
    def passed(self) -> bool:
        """Ran to its end, and every expectation was met."""
        return not self.error and all(verdict.passed for verdict in self.verdicts)


def write(path: Path, results: Sequence[Result]) -> None:
    """One test suite a scenario, one test case an expectation."""
    root = ET.Element("testsuites")
    for result in results:
        failures = sum(not verdict.passed for verdict in result.verdicts)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=result.name,
            tests=str(max(1, len(result.verdicts))),
            failures=str(failures),
            errors=str(int(bool(result.error))),
            time=f"{result.wall_s:.3f}",
        )
        for verdict in result.verdicts:
            case = ET.SubElement(suite, "testcase", classname=f"hil.{result.name}", name=verdict.expected)
            if verdict.passed:
                ET.SubElement(case, "system-out").text = verdict.measured
            else:
                ET.SubElement(case, "failure", message=verdict.measured)
        if result.error:
            case = ET.SubElement(suite, "testcase", classname=f"hil.{result.name}", name="runs to its end")
            ET.SubElement(case, "error", message=result.error.partition("\n")[0]).text = _clean(result.error)
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _clean(text: str) -> str:
    """Without the control characters that XML 1.0 cannot hold."""
    return "".join(c if c in "\n\t" or c.isprintable() else "?" for c in text)
