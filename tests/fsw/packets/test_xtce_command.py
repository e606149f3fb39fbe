import pytest
from click.testing import CliRunner
from space_packet_parser.xtce.validation import validate_xtce

from fsw.board.load import shipped
from fsw.commands.xtce import command


@pytest.mark.parametrize("board", sorted(shipped()))
def test_the_database_of_every_shipped_board_is_valid(board, tmp_path):
    path = tmp_path / "board.xml"
    result = CliRunner().invoke(command, [board, "--output", str(path)])
    assert result.exit_code == 0
    assert validate_xtce(path).valid


def test_a_board_that_is_not_there_is_exit_code_2_without_a_traceback():
    result = CliRunner().invoke(command, ["nowhere.toml"])
    assert result.exit_code == 2
    assert "nowhere.toml" in result.stderr
