"""The Feedback page takes a person's judgements out of training data, and back in."""

from streamlit.testing.v1 import AppTest

from engine.feedback.schema import Reply
from engine.feedback.store import rate
from engine.feedback.withdrawn import withdrawn


def _script() -> None:
    from pages.chat.feedback_withdraw import withdraw_people
    from pages.shared import frame

    frame.person()
    withdraw_people()


def test_a_person_is_withdrawn_and_comes_back(studio_home):
    rate("Ann", [{"role": "user", "content": "Hello"}], Reply("Hi", "starter"), verdict="good")
    page = AppTest.from_function(_script, default_timeout=30)
    page.query_params["as"] = "Bo"
    page.run()
    page.selectbox(key="feedback.withdraw.person").select("Ann").run()
    assert "No adapter" in page.markdown[0].value
    page.button(key="feedback.withdraw").click().run()
    assert withdrawn() == {"Ann"}
    page.button(key="feedback.readmit").click().run()
    assert not withdrawn()
    assert not page.exception
