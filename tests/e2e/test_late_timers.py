"""A page somebody goes to stays there, though a timer of the page they left comes late."""

from playwright.sync_api import expect

from engine.settings import ROOT
from tests.browser import Server

APP = f"""
import sys
import time

import streamlit as st
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState

sys.path.insert(0, {str(ROOT)!r})


def late_timer():
    context = get_script_run_ctx()
    page, fragment = st.session_state["timer"]
    session = get_instance()._session_mgr.get_active_session_info(context.session_id).session
    session.request_rerun(ClientState(page_script_hash=page, fragment_id=fragment, is_auto_rerun=True))


@st.fragment
def leave():
    context = get_script_run_ctx()
    st.session_state["timer"] = (context.page_script_hash, ThreadState.get().fragment_id)
    if st.button("Leave"):
        st.switch_page(second)


def arrive():
    if "timer" in st.session_state:
        late_timer()
        time.sleep(0.5)
    st.title("Arrived")


first, second = st.Page(leave, title="First", default=True), st.Page(arrive, title="Second")

if __name__ == "__main__":
    st.navigation([first, second]).run()
else:
    from pages.shared.late_timers import ignore_late_timers

    ignore_late_timers()
    app = st.App(__file__)
"""


def test_a_timer_of_the_page_left_does_not_empty_the_next(browser, tmp_path):
    script = tmp_path / "app.py"
    script.write_text(APP)
    with Server(script, PYTHONPATH=str(ROOT)) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.get_by_role("button", name="Leave").click()
        expect(page.get_by_role("heading", name="Arrived")).to_be_visible()
        page.wait_for_timeout(1500)  # the late timer's turn
        expect(page.get_by_role("heading", name="Arrived")).to_be_visible()
        page.close()
