"""The Knowledge page without a browser: an empty start, documents, passages, check, settings, in both languages."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from engine.chat import conversations
from engine.chat.conversations import Message
from engine.chat.turns import Speaker
from engine.feedback.store import FeedbackFilter, find
from engine.knowledge import answering, bases, documents, evaluation, ingest, passages, sample
from tests.pages.opening import open_page, words

PAGE = "pages/chat/knowledge.py"
HOSTILE = '<img src="http://127.0.0.1:9/a"> ![p](http://127.0.0.1:9/b) [here](http://127.0.0.1:9/c)'


def _open(tab: str = "Ask", **more) -> AppTest:
    return open_page(PAGE, state={"knowledge.tabs": tab}, **more)


def _labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def _click(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def _key(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()
    assert not app.exception, app.exception


def _in_dialog(app: AppTest, opener: str, label: str) -> None:
    """Click in a dialog. Here every click runs the whole page, and only the opener's keeps the dialog open."""
    app.button(key=opener).click()
    _click(app, label)


@pytest.fixture
def base(tmp_path):
    """One base with a text of several passages."""
    made = bases.create("手册", embedding="e5")
    file = tmp_path / "rules.txt"
    file.write_text("\n\n".join(f"Rule {n}: the lamp of room {n} burns until {n} o'clock. " * 6 for n in range(1, 6)))
    ingest.ingest(made.id, [("rules.txt", file)])
    return bases.read(made.id)


def test_the_empty_page_teaches_with_one_click():
    app = open_page(PAGE)
    assert "No knowledge base yet" in words(app)
    _click(app, "Load the sample")
    (made,) = bases.list_bases()
    assert made.name == sample.NAME and made.documents == 3
    assert set(sample.TRY) <= {label.replace("\\", "") for label in _labels(app)}


def test_a_base_is_made_with_a_chinese_name_and_opens_at_its_documents():
    app = open_page(PAGE)
    _click(app, "New knowledge base")
    next(box for box in app.text_input if box.label == "Name").set_value("差旅规定")
    _in_dialog(app, "knowledge.new", "Make it")
    (made,) = bases.list_bases()
    assert made.name == "差旅规定" and app.session_state["knowledge.tabs"] == "Documents"
    assert "No document yet" in words(app)


def test_a_name_that_is_taken_is_refused_in_a_sentence(base):
    app = open_page(PAGE)
    _click(app, "New knowledge base")
    next(box for box in app.text_input if box.label == "Name").set_value("手册")
    _in_dialog(app, "knowledge.new", "Make it")
    assert "There is already a knowledge base “手册”" in words(app) and len(bases.list_bases()) == 1


@pytest.mark.parametrize("tab", ["提问", "文档", "检验", "设置"])
def test_every_tab_speaks_chinese(base, tab):
    evaluation.evaluate(base.id, evaluation.draw_questions(base.id, 4))
    app = _open(tab, language="zh")
    ours = words(app).replace("rules.txt", "")
    letters = sum("a" <= sign <= "z" for sign in ours)
    chinese = sum("\u4e00" <= sign <= "\u9fff" for sign in ours)
    assert chinese > 30 and letters < chinese, ours


def test_a_document_is_read_corrected_switched_off_and_deleted(base):
    (document,) = documents.list_documents(base.id)
    before = passages.list_passages(base.id, document.id)
    app = _open("Documents")
    _click(app, "Read")
    _key(app, f"knowledge.correct.{before[1].id}")
    next(box for box in app.text_area if box.label == "The passage").set_value("The lamp burns for ever.")
    _in_dialog(app, f"knowledge.correct.{before[1].id}", "Save")
    app.toggle(key=f"knowledge.use.{before[2].id}").set_value(False).run()
    after = passages.list_passages(base.id, document.id)
    assert after[1].text == "The lamp burns for ever." and after[1].edited
    assert not after[2].enabled and after[2].text == before[2].text
    assert [after[0], *after[3:]] == [before[0], *before[3:]]
    assert "corrected]" in words(app) and "switched off]" in words(app)
    _key(app, f"knowledge.place.{before[1].id}")
    assert "The passage, as it was corrected" in words(app) and "for ever" in words(app)

    app = _open("Documents")
    opener = f"knowledge.delete.{document.id}"
    _key(app, opener)
    assert documents.list_documents(base.id)
    app.button(key=opener).click()
    _key(app, "knowledge.delete.yes")
    assert not documents.list_documents(base.id) and "No document yet" in words(app)


def test_a_passage_is_shown_letter_for_letter(tmp_path):
    made = bases.create("hostile", embedding="e5")
    (tmp_path / "a.txt").write_text(f"# Title\n\n{HOSTILE}\n\n:red[x] $\\includegraphics{{http://127.0.0.1:9/d}}$ `a`")
    ingest.ingest(made.id, [(HOSTILE + ".txt", tmp_path / "a.txt")])
    (document,) = documents.list_documents(made.id)
    (passage,) = passages.list_passages(made.id, document.id)
    app = _open("Documents")
    _click(app, "Read")
    _key(app, f"knowledge.place.{passage.id}")
    for element in (*app.markdown, *app.caption):
        assert "](http" not in element.value and "://" not in element.value.replace(":\u200b", "")
        assert "$\\" not in element.value.replace("\\$", "")


def test_settings_are_kept_and_say_what_is_wrong(base):
    app = _open("Settings")
    next(box for box in app.text_input if box.label == "What it says when it has no answer").set_value("Nothing here.")
    app.toggle(key=f"knowledge.settings.{base.id}.own_threshold").set_value(True).run()
    app.slider(key=f"knowledge.settings.{base.id}.threshold").set_value(0.5).run()
    _click(app, "Save")
    changed = bases.read(base.id)
    assert (changed.no_answer, changed.threshold, changed.name) == ("Nothing here.", 0.5, "手册")
    app.number_input(key=f"knowledge.index.{base.id}.overlap").set_value(300).run()
    _click(app, "Index anew")
    assert "The overlap must be less than half" in words(app)


def test_a_model_that_does_not_know_the_language_is_warned_about(tmp_path):
    made = bases.create("中文", embedding="e5")
    (tmp_path / "a.txt").write_text("员工出差须提前三天申请，并由部门经理批准。" * 3)
    ingest.ingest(made.id, [("a.txt", tmp_path / "a.txt")])
    app = _open("Settings")
    assert "does not know the language" not in words(app)
    app.selectbox(key=f"knowledge.index.{made.id}.embedding").set_value("minilm").run()
    assert "does not know the language" in words(app)


def test_a_base_is_deleted_after_it_was_asked(base):
    app = _open("Settings")
    _click(app, "Delete this knowledge base")
    assert bases.list_bases()
    app.button(key="knowledge.base.delete").click()
    _key(app, "knowledge.base.delete.yes")
    assert not bases.list_bases() and "No knowledge base yet" in words(app)


def test_a_check_is_run_and_calibrates_the_threshold(base):
    app = _open("Check")
    app.number_input(key=f"knowledge.check.count.{base.id}").set_value(6).run()
    _click(app, "Draw and run")
    (kept,) = evaluation.list_evaluations(base.id)
    assert kept.questions <= 6 and app.metric[0].label == "Right passage first"
    app.slider(key=f"knowledge.check.wanted.{base.id}").set_value(0).run()
    _click(app, "Use this threshold")
    assert bases.read(base.id).threshold == pytest.approx(evaluation.calibrate(kept, 0.0))


def test_conversations_of_the_two_pages_stay_apart(base):
    talk = conversations.create("Ann")
    conversations.add_message("Ann", talk.id, "user", "About anything", None)
    asked = conversations.create("Ann", settings={"knowledge": [base.id]})
    conversations.add_message("Ann", asked.id, "user", "About the lamp", None)
    knowledge = _open()
    assert "About the lamp" in _labels(knowledge) and "About anything" not in _labels(knowledge)
    chat = open_page("pages/chat/chat.py")
    assert "About anything" in _labels(chat) and "About the lamp" not in _labels(chat)
    led = open_page("pages/chat/chat.py", query={"c": str(asked.id)})
    assert "About the lamp" in words(led) and led.title[0].value == "Knowledge"


def test_a_conversation_brings_its_base_along(base):
    other = bases.create("Other")
    asked = conversations.create("Ann", settings={"knowledge": [base.id]})
    conversations.add_message("Ann", asked.id, "user", "About the lamp", None)
    assert open_page(PAGE).radio[0].value == other.id
    app = open_page(PAGE, query={"c": str(asked.id)})
    assert app.radio[0].value == base.id and "About the lamp" in words(app)
    app.radio[0].set_value(other.id).run()
    assert "About the lamp" not in words(app)


def test_what_came_of_the_last_files_is_said(base):
    from engine.knowledge.specs import IngestSpec
    from engine.runs import create_run

    run = create_run("ingest", IngestSpec(base=base.id, files=[]).model_dump(mode="json"), "…", subject=base.name)
    refused = [{"file": "a.pdf", "sentence": "“{file}” holds no text.", "values": {"file": "a![x](http://b).pdf"}}]
    result = {"added": 1, "replaced": 0, "unchanged": 2, "passages": 3, "refused": refused, "warnings": []}
    run.update(state="finished", result={**result, "duplicates": {"b.txt": ["rules.txt"]}})
    app = _open("Documents")
    assert "added: 1" in words(app) and "holds no text" in words(app) and "same content as “rules.txt”" in words(app)
    assert "![x]" not in words(app).replace("!\u200b", "")
    _key(app, "knowledge.last.hide")
    assert "holds no text" not in words(app)


def test_own_questions_with_a_mistake_are_named_by_their_line(base, tmp_path):
    app = _open("Check")
    lines = [{"question": "How long?", "gold": "rules.txt#0"}, {"question": "And now?"}]
    content = "\n".join(map(json.dumps, lines)).encode()
    app.file_uploader(key="knowledge.check.file").set_value(("q.jsonl", content, "application/jsonl")).run()
    _click(app, "Run")
    assert "line 2" in words(app)


def _answered(base, question: str, reply: str, **meta) -> Message:
    """A conversation with one answer, as if a model had written `reply`."""
    talk = conversations.create("Ann", settings={"knowledge": [base.id]})
    asked = conversations.add_message("Ann", talk.id, "user", question, None)
    prepared = answering.prepare([base.id], question, [], Speaker(), threshold=0.1)
    kept = {
        "knowledge": prepared.knowledge.model_dump(mode="json"),
        "model": "starter",
        "system": prepared.system,
        **meta,
    }
    text = prepared.system if prepared.knowledge.refused else reply
    return conversations.add_message("Ann", talk.id, "assistant", text, asked.id, kept)


def test_citations_are_badges_that_open_their_passage(base):
    answer = _answered(base, "Until when burns the lamp of room 3?", "The lamp of room 3 burns until 3 o'clock [1].")
    app = _open()
    assert ":blue-badge[1]" in words(app) and ":material/help:" not in words(app)
    cite = app.button(key=f"knowledge.cite.{answer.id}.1")
    assert "rules" in cite.label and "line" in cite.label
    cite.click().run()
    assert ":orange-background[" in words(app) and ":blue-background[" in words(app)
    documents.delete_document(base.id, documents.list_documents(base.id)[0].id)
    app.button(key=f"knowledge.cite.{answer.id}.1").click().run()
    assert "no longer in the knowledge base" in words(app) and "-background[" not in words(app)


def test_what_has_no_support_is_marked_and_nothing_is_imitated(base):
    lies = f'The lamp is purple [1]. It says "never ever" [1]. See [9]. :blue-badge[1] :material/check: {HOSTILE}'
    _answered(base, "Until when burns the lamp of room 3?", lies)
    words = next(words.value for words in _open().markdown if "purple" in words.value)
    assert (
        ":blue-badge[" not in words and words.count(":red-badge[") == 4 and words.count(":orange[:material/help:]") >= 3
    )
    assert ":material/check:" not in words and "](http" not in words and "://" not in words.replace(":\u200b", "")
    said = [caption.value for caption in _open().caption if ":material/help:" in caption.value]
    assert said and "quotes words that no passage has" in said[0] and "does not exist" in said[0]


def test_a_refusal_is_shown_with_its_reason_and_asks_for_no_judgement(base):
    answer = _answered(base, "Who won the chess championship in 1986?", "never used")
    app = _open()
    assert answering.NO_ANSWER["en"] in words(app) and not app.get("feedback")
    app.session_state[f"knowledge.why.{answer.id}"] = True
    app.run()
    assert "No passage has anything in common" in words(app) or "is needed" in words(app)


def test_why_shows_what_each_arm_said(base):
    answer = _answered(base, "Until when burns the lamp of room 3?", "Until 3 o'clock [1].")
    app = _open()
    app.session_state[f"knowledge.why.{answer.id}"] = True
    app.run()
    table = app.dataframe[0].value
    assert list(table.columns) == ["No.", "Document", "Score", "Words", "Meaning"]
    assert str(table["Words"].iloc[0]).startswith("#1 · ") and all(0 <= score <= 1 for score in table["Score"])
    assert table["Score"].is_monotonic_decreasing


def test_with_and_without_stand_side_by_side(base):
    answer = _answered(base, "Until when burns the lamp of room 3?", "Until 3 o'clock [1].")
    assert any("Compare" in label for label in _labels(_open()))
    meta = {"without_knowledge": True, "pair": "knowledge 1", "side": "b", "model": "starter"}
    conversations.add_message(
        "Ann", answer.conversation_id, "assistant", "Nobody knows.", answer.parent_id, meta, activate=False
    )
    app = _open()
    assert {"**With the documents**", "**Without them**", "Nobody knows."} <= {words.value for words in app.markdown}
    assert not any("Compare" in label for label in _labels(app))
    assert "1/2" not in words(app), "it is no version of the answer"


def test_feedback_on_an_answer_carries_its_passages(base):
    answer = _answered(base, "Until when burns the lamp of room 3?", "Until 3 o'clock [1].", sampling={"seed": 1})
    app = _open()
    app.feedback(key=f"thumbs.{answer.id}").set_value(1).run()
    (row,) = find(FeedbackFilter(annotator="Ann"))
    assert row.verdict == "good" and "the lamp of room 3 burns until 3" in row.prompt[0].content


def test_a_follow_up_shows_how_it_was_understood(base):
    answer = _answered(base, "Until when burns the lamp of room 3?", "Until 3 o'clock [1].")
    meta = dict(answer.meta)
    meta["knowledge"] |= {"rewritten": True, "question": f"The lamp of room 3? {HOSTILE}"}
    conversations.update_message("Ann", answer.id, meta=meta)
    shown = next(caption.value for caption in _open().caption if "Understood as" in caption.value)
    assert "The lamp of room 3?" in shown and "](http" not in shown


def test_an_answer_from_a_base_that_is_gone_can_still_be_read(base):
    _answered(base, "Until when burns the lamp of room 3?", "The lamp of room 3 burns until 3 o'clock [1].")
    bases.delete(base.id)
    bases.create("Other")
    (talk,) = conversations.find("Ann", knowledge=True)
    app = open_page(PAGE, query={"c": str(talk.id)})
    assert ":blue-badge[1]" in words(app) and "Choose a knowledge base" in str(app.multiselect[0].placeholder)


def test_several_bases_are_asked_at_once_and_remembered(base):
    other = bases.create("Other")
    app = open_page(PAGE, query={"base": base.id})
    app.multiselect[0].set_value([base.id, other.id]).run()
    (talk,) = conversations.find("Ann", knowledge=True)
    assert talk.settings["knowledge"] == [base.id, other.id]
    again = open_page(PAGE, query={"c": str(talk.id)})
    assert again.multiselect[0].value == [base.id, other.id] and again.radio[0].value == base.id
