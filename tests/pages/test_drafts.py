"""Forms that keep what was typed."""

from streamlit.testing.v1 import AppTest


def _script() -> None:
    import streamlit as st

    from pages.shared.drafts import Form

    form = Form("letter", {"title": "", "body": ""})
    if st.toggle("open", True):
        st.text_input("Title", key=form.key("title"), on_change=form.save)
        st.text_input("Body", key=form.key("body"), on_change=form.save)
    st.button("Send", on_click=form.clear)

    def clear_and_save_late() -> None:
        form.clear()
        form.save()

    st.button("Late", on_click=clear_and_save_late)


def _open() -> AppTest:
    app = AppTest.from_function(_script)
    app.session_state["annotator"] = "Ann"
    return app.run()


def test_what_was_typed_comes_back():
    _open().text_input[0].input("Dear").run()
    assert _open().text_input[0].value == "Dear"


def test_a_sent_form_is_empty():
    app = _open()
    app.text_input[0].input("Dear").run()
    app.button[0].click().run()
    assert _open().text_input[0].value == ""


def test_a_change_that_arrives_after_the_form_was_sent_is_no_error():
    app = _open().button[1].click().run()
    assert not app.exception
    assert _open().text_input[0].value == ""
