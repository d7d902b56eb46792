"""The studio's front door: `streamlit run Home.py --server.port 6006`. Sets the frame and hands over to a page."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from pages.shared import frame
from pages.shared.i18n import language, t
from pages.shared.keeper import keep_queue
from pages.shared.late_timers import ignore_late_timers


def main() -> None:
    """Runs for every click: frame, navigation, page."""
    st.set_page_config(page_title="Studio", page_icon="pages/shared/icon.png", layout="wide")
    language()
    page = st.navigation(sections())
    frame.person()
    frame.sidebar()
    page.run()


def sections() -> dict[str, list[st.Page]]:
    """The pages, by section; the only place that knows them all."""
    return {
        "": [st.Page("pages/home/dashboard.py", title=t("Home"), icon=":material/home:", default=True)],
        t("Talk"): [
            st.Page("pages/chat/chat.py", title=t("Chat"), icon=":material/forum:", url_path="chat"),
            st.Page("pages/chat/knowledge.py", title=t("Knowledge"), icon=":material/menu_book:", url_path="knowledge"),
            st.Page(
                "pages/chat/feedback.py", title=t("Feedback"), icon=":material/thumbs_up_down:", url_path="feedback"
            ),
        ],
        t("Teach"): [
            st.Page("pages/data/datasets.py", title=t("Datasets"), icon=":material/dataset:", url_path="datasets"),
            st.Page("pages/data/labelling.py", title=t("Labelling"), icon=":material/edit_note:", url_path="labelling"),
            st.Page("pages/train/lora.py", title=t("LoRA training"), icon=":material/model_training:", url_path="lora"),
            st.Page("pages/train/rlhf.py", title=t("RLHF"), icon=":material/recommend:", url_path="rlhf"),
            st.Page("pages/train/runs.py", title=t("Runs"), icon=":material/monitoring:", url_path="runs"),
        ],
        t("Draw"): [
            st.Page("pages/image/draw.py", title=t("Draw"), icon=":material/brush:", url_path="draw"),
            st.Page("pages/image/lora.py", title=t("Image LoRA"), icon=":material/palette:", url_path="image-lora"),
        ],
        t("Batch"): [st.Page("pages/batch/batch.py", title=t("Batch"), icon=":material/table:", url_path="batch")],
    }


if __name__ == "__main__":
    main()
else:
    # The server imports this module once, before anybody asks for a page. A folder called `pages` makes Streamlit take the
    # first visit for one to an app of its older kind, and greet a deep link with "Page not found": say here that it is not.
    PagesManager.uses_pages_directory = False
    ignore_late_timers()
    app = st.App(__file__, lifespan=keep_queue)
