"""Near-duplicates found among made-up conversations in Chinese and English, against rensa's own deduplicator.

The texts are composed from the word lists below: free ones of one to eight sentences, and a quarter that fill in one
of a few frames ("写一篇关于X的文章", with a frame for the reply as well), which resemble each other and are no duplicates. One
row in twenty is a planted near-duplicate: an earlier row with one to three small edits (a word replaced, inserted or
deleted, a punctuation mark swapped, white space added, the case changed). Nothing makes sure that its Jaccard
similarity with the original stays above the limit: three edits of a short row take it below, and such a row counts as
missed all the same. A row that was found counts as right only if it was planted, and what it was found to repeat is
its original or another copy.

Claim: recall and precision of at least 0.95 against what was planted, in less than two minutes for 100,000 rows on one
core.
"""

import random
import resource
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import report
from engine.data.cleaning.near import NearDuplicates, jaccard, shingled

SIMILARITY = 0.8
PLANTED = 0.05
FRAMED = 0.25

WORDS = {
    "zh": {
        "topic": "春天 环保 人工智能 友谊 阅读 城市交通 垃圾分类 太空探索 中医 茶文化 网络安全 家庭教育 电影 足球 书法 "
        "气候变化 农业 旅行 音乐 志愿服务 健康饮食 时间管理 创业 历史 海洋 睡眠 摄影 编程 民间故事 新能源汽车",
        "thing": "报告 花园 算法 小镇 项目 桥梁 机器 课程 博物馆 厨房 手机 论文 果树 列车 图书 合同 画作 实验 菜谱 舞台 "
        "数据库 玩具 仓库 港口 传感器 剧本 问卷 雕塑 水库 网站",
        "who": "老师 工程师 孩子们 医生 邻居 游客 农民 学生 经理 画家 司机 记者 设计师 厨师 护士 程序员 作家 志愿者 老人 教练 "
        "律师 渔夫 消防员 店主 科学家 翻译 木匠 导演 邮递员 裁缝",
        "how": "认真地 悄悄地 迅速地 耐心地 意外地 高兴地 反复地 谨慎地 自豪地 勉强地 熟练地 公开地 独自 共同 逐步",
        "does": "改进 介绍 修理 保护 研究 讨论 拆除 记录 参观 整理 重建 购买 推荐 分析 测试 忘记 赞美 打扫 设计 翻译",
        "where": "北京 湖边 山顶 办公室 乡下 车站 教室 海边 医院 广场 实验室 市场 森林 工厂 河岸 宿舍 剧院 机场 村口 码头",
    },
    "en": {
        "topic": "spring recycling robotics friendship reading traffic astronomy medicine tea privacy parenting cinema "
        "football calligraphy climate farming travel music volunteering nutrition productivity business history oceans "
        "sleep photography programming folklore batteries architecture",
        "thing": "report garden algorithm village project bridge machine course museum kitchen phone thesis orchard train "
        "library contract painting experiment recipe stage database toy warehouse harbour sensor script survey statue "
        "reservoir website",
        "who": "teacher engineer child doctor neighbour tourist farmer student manager painter driver reporter designer "
        "cook nurse programmer writer volunteer pensioner coach lawyer fisherman firefighter shopkeeper scientist "
        "translator carpenter director postman tailor",
        "how": "carefully quietly quickly patiently unexpectedly happily repeatedly cautiously proudly reluctantly skilfully "
        "openly alone together gradually",
        "does": "improves introduces repairs protects studies discusses removes records visits sorts rebuilds buys "
        "recommends analyses tests forgets praises cleans designs translates",
        "where": "Beijing the lake the summit the office the countryside the station the classroom the beach the hospital "
        "the square the laboratory the market the forest the factory the riverbank".replace("the ", "the_"),
    },
}
QUESTIONS = {
    "zh": "请解释一下{topic}和{topic}有什么关系？|{who}怎样才能{how}{does}{thing}？|给出三个关于{topic}的建议，适合在{where}工作的{who}。"
    "|比较{thing}与{thing}的优缺点。|把下面的句子改得更通顺：{who}在{where}{does}{thing}。|为什么{who}要{does}{where}的{thing}？"
    "|为一家{where}的{thing}商店起名，并说明理由。|{topic}对{who}的生活有哪些影响？",
    "en": "Explain how {topic} relates to {topic}.|How can a {who} who {how} {does} a {thing} get better?|Give three tips about "
    "{topic} for a {who} near {where}.|Compare a {thing} with a {thing}.|Correct this sentence: a {who} {how} {does} the {thing}."
    "|Why does it matter that the {who} {does} the {thing}?|Name a shop for a {thing} at {where}.|What does {topic} mean to a {who}?",
}
SENTENCES = {
    "zh": "{who}在{where}{how}{does}{thing}，因为{topic}很重要。|首先，应当{does}{thing}，再考虑{topic}。|如果{who}{how}{does}{thing}，"
    "{where}就会不同。|从{topic}的角度看，{thing}比{thing}更值得{does}。|去年，{where}的{who}开始{does}一座{thing}。"
    "|许多{who}喜欢{topic}，却很少{does}{thing}。|{thing}放在{where}，{who}每天{how}{does}它。|没有{topic}，{who}无法{does}{where}的{thing}。"
    "|最后，请{how}{does}您的{thing}。|调查显示，{n}%的{who}支持{topic}。|据说{where}有{n}个{thing}，都由{who}{does}。"
    "|{topic}让{who}想起{where}的{thing}。|一方面要{does}{thing}，另一方面也要{does}{thing}。|在{where}，{topic}与{topic}同样受欢迎。",
    "en": "At {where} the {who} {how} {does} a {thing}, because {topic} matters.|First, whoever {does} the {thing} should think of {topic}."
    "|If a {who} {how} {does} the {thing}, then {where} will change.|In terms of {topic}, a {thing} beats a {thing}.|Last year "
    "one {who} near {where} opened a {thing}.|Many people enjoy {topic}, yet hardly anyone {does} a {thing}.|Every day the {who} "
    "{does} it {how}.|Without {topic}, no {who} {does} the {thing} at {where}.|Finally, the {thing} needs {n} more days.|A survey "
    "says that {n} percent of those near {where} support {topic}.|They say {where} has {n} of them, and a {who} {does} each."
    "|Here {topic} is as popular as {topic}.|On the one hand there is the {thing}, on the other the {thing}.",
}
FRAMES = {
    "zh": "写一篇关于{topic}的文章。\n{topic}是当今社会关注的热点。{free}随着时代的发展，越来越多的人认识到{topic}的意义。{free}{free}总之，让我们从身边做起。"
    "|请为{who}写一封感谢信。\n亲爱的{who}：您好！感谢您在{where}{how}{does}{thing}。{free}{free}祝您工作顺利，身体健康！"
    "|计算：小明有{n}个{thing}，又买了{n}个，一共有多少个？\n小明原来有{n}个{thing}，后来又买了一些，把两个数相加即可。{free}",
    "en": "Write an essay about {topic}.\nThese days {topic} is on everyone's mind. {free} {free} More and more people see what {topic} "
    "means. {free} In short, let us begin with ourselves.|Write a thank-you letter to a {who}.\nDear {who}, thank you for your "
    "help at {where} with the {thing}. {free} {free} {free} Kind regards.|Tom has {n} {thing}s and buys {n} more. How many are "
    "there?\nAdd the two numbers to see how many {thing}s Tom has. {free} {free}",
}
PUNCTUATION = str.maketrans("，。？！：,.?!:", ",.?!:;;;;;")


class Row(NamedTuple):
    """One text, and the row it was copied from, if it was planted."""

    text: str
    language: str
    original: int | None


def main(count: int = 100_000) -> None:
    """Measure both, each in a process of its own, and report."""
    lines = []
    for name in FINDERS:
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            lines += alone.submit(measured, name, count).result()
    whole = lines[2]
    holds = whole["recall"] >= 0.95 and whole["precision"] >= 0.95 and whole["seconds"] < 120
    claim = f"Planted near-duplicates among {count:,} rows are found, and little else, in two minutes"
    report("data-near-duplicates", claim, lines, holds)


def measured(name: str, count: int) -> list[dict]:
    """What one finder finds among so many rows: a line for each language and one for both."""
    about = [(row.language, row.original) for row in rows(count)]
    with tempfile.TemporaryDirectory() as folder:
        texts = Texts(Path(folder) / "texts", (row.text for row in rows(count)))
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        found = list(FINDERS[name](texts))
        seconds = time.perf_counter() - began
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        planted = {row: original for row, (_, original) in enumerate(about) if original is not None}
        origin = [row if original is None else original for row, (_, original) in enumerate(about)]
        alike = {row for row in planted if jaccard(shingled(texts[row]), shingled(texts[planted[row]])) >= SIMILARITY}
    lines = []
    for languages in (["zh"], ["en"], ["zh", "en"]):
        there = {row for row in planted if about[row][0] in languages}
        hits = {row for row, other in enumerate(found) if other is not None and about[row][0] in languages}
        right = {row for row in hits & there if origin[found[row] or 0] == origin[row]}
        lines.append(
            {
                "finder": name,
                "languages": " ".join(languages),
                "planted": len(there),
                "at the limit": len(alike & there) / len(there),
                "recall": len(right) / len(there),
                "recall at the limit": len(right & alike) / len(alike & there),
                "precision": len(right) / len(hits),
                "seconds": seconds,
                "µs a row": seconds / count * 1e6,
                "MB": memory,
            }
        )
    return lines


def _engine(texts: "Texts") -> Iterator[int | None]:
    near = NearDuplicates(SIMILARITY, texts.__getitem__)
    return (near.add(row, texts[row]) for row in range(len(texts)))


def _rensa(texts: "Texts") -> Iterator[int | None]:
    """As its documentation has it, over the characters' trigrams, with bands for the most recall."""
    from rensa import RMinHash, RMinHashDeduplicator  # pyright: ignore[reportAttributeAccessIssue]

    seen = RMinHashDeduplicator(threshold=SIMILARITY, num_perm=128, use_lsh=True, num_bands=32)
    for row in range(len(texts)):
        text = texts[row]
        signature = RMinHash(128, 42)
        signature.update([text[place : place + 3] for place in range(max(1, len(text) - 2))])
        others = seen.get_duplicates(signature)
        if not others:
            seen.add(str(row), signature)
        yield int(others[0]) if others else None


FINDERS: dict[str, Callable[["Texts"], Iterator[int | None]]] = {"engine": _engine, "rensa alone": _rensa}


def rows(count: int, seed: int = 0) -> Iterator[Row]:
    """The made-up conversations, the same for the same seed."""
    draw = random.Random(seed)
    earlier: list[tuple[int, Row]] = []
    for number in range(count):
        if earlier and draw.random() < PLANTED:
            original, row = draw.choice(earlier)
            yield Row(_edited(row.text, row.language, draw), row.language, original)
            continue
        language = "zh" if draw.random() < 0.6 else "en"
        row = Row(_composed(language, draw), language, None)
        if len(earlier) < 5000:
            earlier.append((number, row))
        else:
            earlier[draw.randrange(5000)] = (number, row)
        yield row


def _composed(language: str, draw: random.Random) -> str:
    if draw.random() < FRAMED:
        frame = draw.choice(FRAMES[language].split("|"))
        topic = _word("topic", language, draw)
        return _filled(frame.replace("{topic}", topic), language, draw)
    sentences = [_sentence(language, draw) for _ in range(draw.randint(1, 8))]
    question = _filled(draw.choice(QUESTIONS[language].split("|")), language, draw)
    return question + "\n" + (" " if language == "en" else "").join(sentences)


def _sentence(language: str, draw: random.Random) -> str:
    return _filled(draw.choice(SENTENCES[language].split("|")), language, draw)


def _filled(frame: str, language: str, draw: random.Random) -> str:
    parts = []
    for part in frame.replace("}", "{").split("{"):
        if part == "n":
            part = str(draw.randint(3, 98))
        elif part == "free":
            part = _sentence(language, draw)
        elif part in WORDS[language]:
            part = _word(part, language, draw)
        parts.append(part)
    return "".join(parts)


def _word(kind: str, language: str, draw: random.Random) -> str:
    return draw.choice(WORDS[language][kind].split()).replace("_", " ")


def _edited(text: str, language: str, draw: random.Random) -> str:
    """One to three small edits at random places."""
    for _ in range(draw.randint(1, 3)):
        pieces = list(text) if language == "zh" else text.split(" ")
        place = draw.randrange(len(pieces))
        old, new = pieces[place], _word("thing", language, draw)
        pieces[place : place + 1] = draw.choice(
            [[new], [old, new], [], [old.translate(PUNCTUATION)], [old, " "], [old.upper()]]
        )
        text = ("" if language == "zh" else " ").join(pieces)
    return text


class Texts:
    """Texts on disk, as the studio keeps them: written once, read by number."""

    def __init__(self, path: Path, texts: Iterable[str]):
        self._ends = array("Q", [0])
        with path.open("wb") as file:
            for text in texts:
                self._ends.append(self._ends[-1] + file.write(text.encode()))
        self._file = path.open("rb")

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, row: int) -> str:
        self._file.seek(self._ends[row])
        return self._file.read(self._ends[row + 1] - self._ends[row]).decode()


if __name__ == "__main__":
    main()
