"""The rules that every row keeps."""

import pytest

from engine.data.records import Conversation, Preference, Unpaired, plain_reason


def message(role: str, content: object) -> dict:
    return {"role": role, "content": content}


USER, REPLY = message("user", "hi"), message("assistant", "hello")


@pytest.mark.parametrize(
    ("model", "fields", "reason"),
    [
        (Conversation, {"messages": []}, "no reply"),
        (Conversation, {"messages": [USER]}, "no reply"),
        (Conversation, {"messages": [USER, message("assistant", " \n")]}, "no reply"),
        (Conversation, {"messages": [REPLY]}, "take turns"),
        (Conversation, {"messages": [USER, USER, REPLY]}, "take turns"),
        (Conversation, {"messages": [USER, message("system", "s"), REPLY]}, "may only come first"),
        (Conversation, {"messages": [message("tool", "x"), REPLY]}, "role must be"),
        (Conversation, {"messages": [USER, message("assistant", None)]}, "content must be text"),
        (Conversation, {"messages": [USER, {"role": "assistant"}]}, "content must be text"),
        (Conversation, {"messages": [USER, "hello"]}, "list of objects"),
        (Conversation, {"messages": None}, "list of objects"),
        (Preference, {"prompt": [USER], "chosen": [REPLY], "rejected": [REPLY]}, "are the same"),
        (Preference, {"prompt": [USER, REPLY], "chosen": [REPLY], "rejected": [REPLY]}, "end with what the user"),
        (Preference, {"prompt": [USER], "chosen": [USER], "rejected": [REPLY]}, "one assistant message"),
        (Preference, {"prompt": [USER], "chosen": [message("assistant", "")], "rejected": [REPLY]}, "empty"),
        (Unpaired, {"prompt": [], "completion": [REPLY], "label": True}, "end with what the user"),
        (Unpaired, {"prompt": [USER], "completion": [REPLY], "label": "maybe"}, "true or false"),
        (Unpaired, {"prompt": [USER], "completion": [REPLY]}, "true or false"),
    ],
)
def test_broken_rules_have_a_plain_reason(model, fields, reason):
    with pytest.raises(ValueError) as caught:
        model.model_validate(fields)
    assert reason in plain_reason(caught.value)


def test_good_ones():
    Conversation.model_validate({"messages": [message("system", "s"), USER, REPLY, USER]})
    Preference.model_validate({"prompt": [USER], "chosen": [REPLY], "rejected": [message("assistant", "no")]})
    assert Unpaired.model_validate({"prompt": [USER], "completion": [REPLY], "label": False}).label is False
