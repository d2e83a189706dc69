import pytest

from service.cli.exits import code_of
from service.core.errors import BadSettings
from service.core.routes import NoSuchRoute
from service.settings import BadCredentials, Settings
from service.web.client import Declined


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (BadSettings("box.name: too long"), 78),
        (BadCredentials("credentials: half", others=Settings()), 78),
        (NoSuchRoute("there is none of number 4"), 2),
        (Declined("the settings cannot be used", status=503), 75),
        (Declined("gone", status=502), 6),
    ],
)
def test_an_error_ends_in_the_code_of_its_kind_and_in_one_line(problem, code, capsys):
    async def fails() -> None:
        raise problem

    assert code_of("levels", fails()) == code
    assert capsys.readouterr().err == f"boothd levels: {problem}\n"
