"""What surrounds every page: who is there, the language, and errors as sentences.

Each page calls `person()` first: without a name (or a sign-in, where one is configured) nothing of the page is run.
"""

import contextlib
import logging
from collections.abc import Iterator

import streamlit as st

from engine.errors import DISK_FULL, StudioError, is_disk_full
from pages.shared.i18n import language_switch, t
from pages.shared.text import harmless

_NAME = "annotator"


def person() -> str:
    """The name that ratings and conversations are kept under; shows the sign-in and ends the script if there is none.

    Where `[auth]` stands in `.streamlit/secrets.toml`, it is the e-mail address of the person signed in (OpenID Connect).
    Else it is a name asked once: a label for one's work, not a protection. The address keeps it over a reload.
    """
    name = _signed_in() if sign_in_configured() else _given_name()
    if not name:
        st.stop()
    return name


def sign_in_configured() -> bool:
    """Whether people sign in with a provider."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


def sidebar() -> None:
    """Name, language and the way out, under the navigation."""
    with st.sidebar:
        language_switch()
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(t("You are {name}", name=harmless(st.session_state[_NAME])))
            if st.button(" ", key="sign_out", icon=":material/logout:", type="tertiary", help=t("Sign out")):
                _sign_out()


@contextlib.contextmanager
def errors_shown() -> Iterator[None]:
    """Show what a person can act on as one sentence in their language; the trace of anything else goes to the log."""
    try:
        yield
    except StudioError as error:
        st.error(harmless(t(error.sentence, **error.values)), icon=":material/error:")
    except Exception as error:
        logging.getLogger(__name__).exception("a page failed")
        if is_disk_full(error):
            st.error(t(DISK_FULL), icon=":material/error:")
        else:
            st.error(
                t("This went wrong; the studio's log says where. Nothing you saved is lost."), icon=":material/error:"
            )


def _signed_in() -> str | None:
    if not st.user.is_logged_in:
        with _card():
            st.markdown(t("Sign in to chat, rate and train."))
            st.button(t("Sign in"), type="primary", icon=":material/login:", on_click=st.login)
        return None
    st.session_state[_NAME] = str(st.user.get("email") or st.user.get("sub"))
    return st.session_state[_NAME]


def _given_name() -> str | None:
    name = st.session_state.get(_NAME) or st.query_params.get("as", "").strip()[:60]
    if not name:
        with _card(), st.form("name", border=False):
            st.markdown(t("What shall we call you? Your conversations and ratings are kept under this name."))
            name = st.text_input(t("Your name"), max_chars=60).strip()
            sent = st.form_submit_button(t("Begin"), type="primary")
        if not name:
            if sent:
                st.warning(t("Write a name to begin."))
            return None
        st.session_state[_NAME] = name
        st.query_params["as"] = name
        st.rerun()
    st.session_state[_NAME] = name
    st.query_params["as"] = name
    return name


def _sign_out() -> None:
    st.session_state.clear()
    st.query_params.clear()
    if sign_in_configured():
        st.logout()
    st.rerun()


def _card():
    _, middle, _ = st.columns([1, 2, 1])
    with middle:
        language_switch()
        st.title(t("Welcome to the studio"))
        return st.container(border=True)
