"""Keeps a page that somebody has just gone to from turning blank.

A fragment's timer in the browser (`run_every`) may fire while the server is already on its way to another page. Streamlit
1.67 then goes back to the page the timer came from, finds no such fragment there, and shows nothing. Such a timer is
ignored here: it belongs to a page that is being left. Nothing else of Streamlit is changed.
"""

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType


def ignore_late_timers() -> None:
    """Once a server, before its first visitor."""
    request = AppSession.request_rerun

    def request_rerun(self: AppSession, client_state: ClientState | None) -> None:
        if client_state and client_state.is_auto_rerun and _is_late(self, client_state):
            return
        request(self, client_state)

    AppSession.request_rerun = request_rerun


def _is_late(session: AppSession, timer: ClientState) -> bool:
    """Whether the session is, or is about to be, on another page than the timer's."""
    runner = session._scriptrunner
    if runner and runner._requests._state is ScriptRequestType.RERUN:
        asked = runner._requests._rerun_data.page_script_hash
        if asked and asked != timer.page_script_hash:
            return True
    pages = session._pages_manager
    return timer.page_script_hash != (pages.intended_page_script_hash or pages.current_page_script_hash)
