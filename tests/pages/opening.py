"""A page of the studio as somebody who has signed in sees it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from streamlit.testing.v1 import AppTest

from engine.settings import ROOT


def open_page(
    page: str,
    name: str = "Ann",
    language: str = "en",
    state: Mapping[str, object] = MappingProxyType({}),
    query: Mapping[str, str] = MappingProxyType({}),
) -> AppTest:
    """Open it, and see that nothing was raised.

    Args:
        page: its script, such as `pages/train/runs.py`.
        name: who.
        language: `en` or `zh`.
        state: of the session, before the page runs.
        query: of the page's address.
    """
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
    app.query_params["as"], app.query_params["lang"] = name, language
    app.run()
    for key, value in state.items():
        app.session_state[key] = value
    app.switch_page(page)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest, *more: Iterable[Any]) -> str:
    """All that the page says.

    Args:
        app: the page.
        more: further kinds of elements that are read, such as `app.code`.
    """
    kinds = (
        app.title,
        app.subheader,
        app.markdown,
        app.caption,
        app.text,
        app.info,
        app.success,
        app.warning,
        app.error,
    )
    return "\n".join(str(element.value) for kind in (*kinds, *more) for element in kind)
