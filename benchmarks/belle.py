"""A made-up file in the shapes of BELLE, for benchmarks and tests: as large as asked for, the same for the same seed.

Lengths are drawn as in BELLE's published rows (instructions of about 25 characters, answers of about 130 in the middle and a
long tail); the words come from lists, so that the text has the look of Chinese and no two rows are alike unless planned.
"""

import json
import random
from pathlib import Path


def _words(text: str) -> list[str]:
    return text.split()


_NAMES = _words("""
    春天 秋天 城市 乡村 老师 学生 医生 工程师 程序员 作家 音乐 电影 历史 地理 数学 物理 化学 生物
    经济 法律 健康 运动 旅行 美食 茶叶 咖啡 手机 电脑 网络 数据 模型 算法 语言 文章 故事 诗歌
    小说 新闻 报告 邮件 计划 项目 公司 团队 客户 产品 市场 环境 能源 交通 飞机 火车 河流 山脉
    海洋 森林 动物 植物 孩子 父母 朋友 邻居 家庭 学校 医院 图书馆 博物馆 公园 花园 厨房 窗户 桌子
    时间 金钱 梦想 目标 困难 机会 经验 知识 文化 艺术 科学 技术 未来 过去 世界 国家 社会 生活
    工作 学习 问题 答案 方法 原因 结果 影响 作用 意义 特点 优势 缺点 区别 关系 过程 步骤 例子
    建议
""")
_VERBS = _words("""
    提高 改善 分析 描述 解释 说明 介绍 比较 总结 翻译 编写 设计 创建 寻找 选择 考虑 讨论 理解
    学习 使用 保护 发展 研究 调查 帮助 支持 避免 减少 增加 解决 完成 实现 安排 准备 参加 组织
    管理 控制 检查 记录 分享 表达 感受 体验 探索 发现 观察 思考
""")
_LINKS = _words("""
    因此 但是 而且 同时 首先 其次 最后 例如 此外 另外 总之 然而 所以 如果 虽然 不仅 通过 根据
    对于 关于
""")
_ENGLISH = _words("""
    the quick model learns from every answer that people give because careful examples matter more than
    many words when data is small and clear
""")
_BROKEN = 200  # one line in so many: 0.5 %
_TWICE = 20
_LITERAL = 20


def sentence(draw: random.Random, length: int) -> str:
    """Chinese-looking text of about this many characters."""
    parts = []
    size = 0
    while size < length:
        kind = draw.random()
        if kind < 0.03:
            part = " ".join(draw.choices(_ENGLISH, k=draw.randint(2, 8)))
        elif kind < 0.06:
            part = str(draw.randint(1, 100_000))
        else:
            part = f"{draw.choice(_LINKS)}{draw.choice(_NAMES)}{draw.choice(_VERBS)}{draw.choice(_NAMES)}的{draw.choice(_NAMES)}"
        part += draw.choice("，，，。、；\n" if kind < 0.9 else "！？“”（）")
        parts.append(part)
        size += len(part)
    return "".join(parts)[:length]


def write_belle(path: Path, rows: int, seed: int = 0) -> list[int]:
    """Write a file of both variants, some lines as Python literals, 5 % repeated; returns the numbers of its broken lines."""
    draw = random.Random(seed)
    broken = []
    earlier: list[str] = []
    with path.open("wb") as file:
        for number in range(1, rows + 1):
            line = draw.choice(earlier) if earlier and number % _TWICE == 0 else _line(draw)
            if number % _BROKEN == 0:
                broken.append(number)
                file.write(_break(draw, line) + b"\n")
                continue
            if len(earlier) < 10_000:
                earlier.append(line)
            file.write(line.encode() + b"\n")
    return broken


def _line(draw: random.Random) -> str:
    asked = sentence(draw, min(500, max(6, int(draw.lognormvariate(3.2, 0.7)))))
    answer = sentence(draw, min(3000, max(4, int(draw.lognormvariate(4.85, 0.95))))).strip() or "好"
    if draw.random() < 0.5:
        row = {"input": asked, "target": answer}
    else:
        given = sentence(draw, draw.randint(10, 120)) if draw.random() < 0.2 else ""
        row = {"instruction": asked, "input": given, "output": answer}
    return repr(row) if draw.randrange(_LITERAL) == 0 else json.dumps(row, ensure_ascii=False)


def _break(draw: random.Random, line: str) -> bytes:
    return draw.choice(
        [
            line.encode()[: len(line) // 2] + b"\xff",
            line[: len(line) // 2].encode(),
            b'{"input": "only a question"}',
            b'{"input": "no answer", "target": ""}',
            b"plain words",
            b"[1, 2, 3]",
        ]
    )
