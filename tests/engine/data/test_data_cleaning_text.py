"""The steps that look at one text: its spelling, its personal data, its language."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.cleaning.language import LANGUAGES, language
from engine.data.cleaning.normalise import normalised
from engine.data.cleaning.personal import PersonalData, masked

CODE = "def f(x):\n\tif x:\n        return  [1,  2]\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("cafe\u0301", "café"),
        ("a\r\nb\rc\u2028d\x0ce", "a\nb\nc\nd\ne"),
        ("a\x00b\x07\u200bc\ufeff\xadd", "abcd"),
        ("  one line \t", "one line"),
        ("a  \t\nb\u3000\n", "a\nb"),
        ("a\n\n\nb", "a\n\n\nb"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        (CODE, CODE.rstrip()),
        ("\n\n" + CODE, CODE.rstrip()),
        ("    return x\n    # end", "    return x\n    # end"),
        ("　　段落一。\n　　段落二。", "　　段落一。\n　　段落二。"),
        ("全角，标点：“保持”！（１２３）", "全角，标点：“保持”！（１２３）"),
        ("👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
        ("a\u200db 好\u200c。 👩\u200d!", "ab 好。 👩!"),
    ],
)
def test_normalising(before, after):
    assert normalised(before) == after


ODD = st.text(st.sampled_from("a \n\t\r　\u200b\u200c\u200d\u0301e\u0915\u094d😀\ufe0f\x00\x0c好，\u2028\xa0"))


@given(ODD | st.text())
def test_normalising_twice_changes_nothing_more(text):
    once = normalised(text)
    assert normalised(once) == once


SURE: list[PersonalData] = ["email", "id_number", "ip"]
"""The kinds that are never taken for another."""


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("email", "邮箱zhang.san@qq.com请联系", "邮箱<EMAIL>请联系"),
        ("email", "Write to a_b+c@mail.example.co.uk.", "Write to <EMAIL>."),
        ("phone", "电话13812345678。", "电话<PHONE>。"),
        ("phone", "手机：138-1234-5678，+86 138 1234 5678", "手机：<PHONE>，<PHONE>"),
        ("phone", "+8613812345678/0086-13812345678", "<PHONE>/<PHONE>"),
        ("phone", "座机010-12345678或0755 2345678转1", "座机<PHONE>或<PHONE>转1"),
        ("phone", "(021)87654321、（010） 8765 4321", "<PHONE>、<PHONE>"),
        ("phone", "Call +1 (415) 555-2671 or +442079460958", "Call <PHONE> or <PHONE>"),
        ("id_number", "身份证11010519491231002X，", "身份证<ID>，"),
        ("id_number", "号码:440524188001010014", "号码:<ID>"),
        ("bank_card", "卡号6222021234567890128和4111 1111 1111 1111", "卡号<CARD>和<CARD>"),
        ("bank_card", "5500-0055-5555-5559 or 3782 822463 10005", "<CARD> or <CARD>"),
        ("ip", "服务器192.168.1.10在线，http://93.184.216.34:80/", "服务器<IP>在线，http://<IP>:80/"),
        ("ip", "2001:db8::1 [2001:db8:85a3::8a2e:370:7334] fe80::1", "<IP> [<IP>] <IP>"),
    ],
)
def test_personal_data_is_masked(kind, before, after):
    assert masked(before, [kind]) == after
    assert masked(before, ["email", "phone", "id_number", "bank_card", "ip"]) == after
    others: list[PersonalData] = [other for other in SURE if other != kind]
    assert masked(before, others) == before


@pytest.mark.parametrize(
    "text",
    [
        "订单号20240115123456789，快递69012345678901，数量13800138000123",
        "2024-01-15 12:30:45，时间戳1700000000000，UTC+08:00",
        "价格¥13800.50元，人口1400000000，400-123-4567",
        "版本1.2.3，v10.0.19041.1，version 1.2.3.4，Chrome/120.0.0.0，1.2.3.4.5，999.1.1.1",
        "127.0.0.1 0.0.0.0 255.255.255.0",
        "ISBN 9787302511854，IMEI 354896057834512，MAC 00:1A:2B:3C:4D:5E",
        "身份证110105194912310021，110105194913310029，1101051949123100",  # check digit, month, length
        "卡号6222021234567890129",  # check digit
        "std::vector a::b dead::beef x[0] += 1+2345678901; sha 9f13812345678ab",
        "icon@2x.png @user user@localhost git@github.com:a/b.git postgres://u:p@db.example.com:5432/x",
        "圆周率3.14159265358979323846，2021 2022 2023 2024，1 2 3 4 5 6 7 8 9 10 11 12 13",
    ],
)
def test_other_numbers_stay(text):
    assert masked(text, ["email", "phone", "id_number", "bank_card", "ip"]) == text


@given(st.text().filter(lambda text: "@" not in text and not any("0" <= letter <= "9" for letter in text)))
def test_text_without_digits_and_at_signs_is_not_touched(text):
    assert masked(text, ["email", "phone", "id_number", "bank_card", "ip"]) == text


@pytest.mark.parametrize("piece", ["1 ", "a@a.", "+2 1(", "2001:", "4111 ", "(0", "1."])
def test_masking_takes_time_in_proportion(piece):
    """A pattern that began again at every place would take minutes here."""
    began = time.perf_counter()
    masked(piece * 50_000, ["email", "phone", "id_number", "bank_card", "ip"])
    assert time.perf_counter() - began < 5


SENTENCES = {
    "zh": "今天天气很好，我们去公园散步吧|如何学习一门新的编程语言|把下面的列表按字母顺序排序|水的沸点是一百摄氏度|保持健康的三个提示是什么"
    "|請幫我寫一封感謝信給老師|台灣的夜市非常有名，小吃種類繁多|機器學習是人工智慧的一個分支|他喜歡在圖書館裡讀書|香港是一個國際金融中心",
    "en": "How do I learn a programming language|Water boils at one hundred degrees|I love reading books|The cat sat on the mat"
    "|Give three tips for staying healthy|Sort the following list alphabetically",
    "ja": "今日は天気がいいので、公園を散歩しましょう|東京は日本の首都です。人口が多い|春についての詩を書いてください|水は百度で沸騰します",
    "ko": "오늘 날씨가 좋으니 공원에 산책하러 갑시다|서울은 한국의 수도입니다|안녕하세요 무엇을 도와드릴까요|봄에 관한 시를 써 주세요",
    "ru": "Сегодня хорошая погода, пойдём гулять в парк|Москва является столицей России|Здравствуйте, чем могу помочь",
    "de": "Heute ist das Wetter schön, gehen wir spazieren|Wie viel kostet dieser Apfel|Ich weiß nicht, was ich tun soll",
    "fr": "Il fait beau aujourd'hui, allons nous promener|Combien coûte cette pomme|Bonjour, comment puis-je vous aider",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_languages_are_told(code):
    assert {language(sentence) for sentence in SENTENCES[code].split("|")} == {code}


@pytest.mark.parametrize(
    "text",
    ["", "你好", "ok", "12345 67890 1234567", "😀😀😀😀😀😀😀😀😀😀😀😀", "∑∫√π≈≠≤≥∞", "Вода кипит при ста градусах"],
)
def test_what_cannot_be_told_is_none(text):
    assert language(text) is None


def test_the_languages_are_those_of_the_library():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    labels = LanguageIdentifier.from_model_file(MODEL_FILE).labels
    assert sorted(label for label in labels if len(label) == 2) == list(LANGUAGES)
