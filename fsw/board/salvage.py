"""What is left of a wrong board file once its faulty tables are taken out, so that the rest can be judged as well."""

from typing import Any

from pydantic import BaseModel, ValidationError

from fsw.board.problem import Problem

STAND_INS: dict[str, object] = {
    "name": "board",
    "rate": "10 Hz",
    "apid": 0,
}  # what `[board]` cannot be without
TABLES = ("lines", "instruments", "vessels", "limits", "sinks")
ATTEMPTS = 3  # taking a table out may leave its parent empty, and that again


class Salvage:
    """The sound part of a file that failed validation; `file` is None when nothing can be made of it."""

    def __init__(self, model: type[BaseModel], data: dict[str, Any], error: ValidationError) -> None:
        self.removed: set[str] = set()  # names of lines, instruments, vessels ... that are no longer there
        self.file: Any = None
        # Two levels are enough for what is taken out, and what lies deeper may be nested beyond all recursion.
        left: Any = {key: dict(table) if isinstance(table, dict) else table for key, table in data.items()}
        for _ in range(ATTEMPTS):
            if not all(self._take_out(left, item["loc"], item["type"]) for item in error.errors()):
                return
            try:
                self.file = model.model_validate(left)
            except ValidationError as next_error:
                error = next_error
            else:
                return

    def causes(self, problem: Problem) -> bool:
        """Whether the problem is only that something refers to what was taken out."""
        words = problem.value.strip("'\"").split(".") + problem.text.split("'")[1::2]
        return any(name in self.removed for word in words for name in word.split("."))

    def _take_out(self, data: Any, location: tuple[int | str, ...], kind: str) -> bool:
        """Remove what is wrong at `location`; False when that would leave no file."""
        table, *rest = location
        if kind == "extra_forbidden" and not rest:
            data.pop(table, None)
            return True
        if table == "board" and isinstance(data.get("board"), dict) and rest:
            key = str(rest[0])
            data["board"].pop(key, None)
            if key in STAND_INS:
                data["board"][key] = STAND_INS[key]
            return True
        if table in TABLES and isinstance(data.get(table), dict) and rest:
            self.removed.add(str(rest[0]))
            data[table].pop(rest[0], None)
            return True
        return False
