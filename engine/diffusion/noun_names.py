"""What people call the nouns that the starter picture model can draw, in English and Chinese: `noun_names.json`.

The file is made from the names package of `engine.diffusion.emoji` (MIT; Unicode licence) by

    python -m engine.diffusion.noun_names var/emoji/packages

Words that only come to mind with a noun (*lonely*, 打呼 for a sleeping face) are left out: what stays names it. In Chinese, words
that share a character with a name are taken; English ones were chosen by hand.
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.files import read_json

FILE = Path(__file__).parent / "noun_names.json"
_SHOWS_NOTHING = set("的之和与脸头大小上下")
_ENGLISH = {
    "red apple": "apple", "deciduous tree": "tree", "blossom": "flower", "hot beverage": "coffee|hot tea|hot coffee|hot drink|cup of coffee",
    "teacup without handle": "tea|cup of tea|teacup", "birthday cake": "cake", "t-rex": "dinosaur|tyrannosaurus", "water wave": "sea|ocean|wave|big wave",
    "droplet": "water|drop of water|water drop", "snowflake": "snow", "crescent moon": "moon", "automobile": "car|auto", "airplane": "plane|aeroplane|jet",
    "bicycle": "bike", "motorcycle": "motorbike", "light bulb": "lamp|bulb|lightbulb", "laptop": "computer|notebook computer", "mobile phone": "smartphone|cell phone",
    "telephone": "phone", "soccer ball": "football|ball|soccer", "top hat": "hat", "running shoe": "shoe|sneaker|trainer", "hiking boot": "boot",
    "wine glass": "wine|glass of wine", "beer mug": "beer", "mage": "wizard|witch|sorcerer|magician", "santa claus": "santa|father christmas",
    "llama": "alpaca", "rabbit": "bunny|hare", "cat face": "kitten|kitty", "dog face": "puppy|doggy", "cow face": "cow", "pig face": "piglet",
    "mouse": "mice", "chicken": "hen", "monkey face": "ape", "lady beetle": "ladybug|ladybird", "honeybee": "bee", "t-shirt": "shirt|tshirt",
    "woman's boot": "boots", "glasses": "spectacles", "cheese wedge": "cheese", "hamburger": "burger", "french fries": "fries|chips", "doughnut": "donut",
    "ear of corn": "corn|maize", "cooked rice": "rice", "steaming bowl": "noodles|ramen|noodle soup|soup", "glass of milk": "milk", "cookie": "biscuit",
    "sailboat": "boat|yacht|sailing boat", "flying saucer": "ufo", "locomotive": "train|steam train", "fire engine": "fire truck", "articulated lorry": "truck|lorry",
    "wrapped gift": "gift|present", "crystal ball": "fortune teller", "musical keyboard": "piano", "headphone": "headphones", "microphone": "mic",
    "musical note": "music|note", "closed book": "book", "pencil": "pen", "package": "box|parcel", "envelope": "letter|mail", "money bag": "money",
    "gem stone": "gem|jewel|diamond|gemstone", "coin": "coins", "crossed swords": "swords", "dagger": "sword|knife", "couch and lamp": "sofa|couch",
    "television": "tv", "camera": "photo camera", "man's shoe": "leather shoe", "high-heeled shoe": "high heels", "billed cap": "cap|baseball cap",
    "fire": "flame|campfire", "high voltage": "lightning|thunderbolt", "cloud with rain": "rain cloud", "old man": "grandpa|grandfather",
    "old woman": "grandma|grandmother", "baby": "infant|newborn", "police officer": "policeman|cop", "cook": "chef", "astronaut": "spaceman",
    "superhero": "hero", "baby angel": "angel", "red heart": "heart|love heart", "mouth": "lips", "pile of poo": "poo|poop", "alarm clock": "clock",
    "evergreen tree": "pine|pine tree|fir tree", "seedling": "sprout", "leafy green": "lettuce|salad", "globe showing americas": "earth|globe|planet",
    "snow-capped mountain": "snowy mountain", "volcano": "erupting volcano", "castle": "fortress", "wedding": "wedding chapel", "umbrella": "parasol",
    "snowman": "snow man", "star": "stars", "sun": "sunshine", "teddy bear": "toy bear", "nesting dolls": "doll|russian doll", "joystick": "game controller",
    "kite": "flying kite", "artist palette": "paint palette", "handbag": "purse", "ring": "wedding ring", "pill": "medicine", "bed": "sleeping bed",
}  # fmt: skip
_CHINESE = {
    "red apple": "苹果", "deciduous tree": "树 大树 树木", "blossom": "花 花朵 鲜花", "hot beverage": "咖啡 热茶", "teacup without handle": "茶",
    "birthday cake": "蛋糕", "t-rex": "恐龙", "water wave": "海 大海 海浪 浪", "droplet": "水 水珠", "snowflake": "雪 雪花",
    "crescent moon": "月亮 月牙", "full moon": "圆月 满月", "sun": "太阳 日头", "umbrella": "伞 雨伞", "automobile": "车 小汽车 轿车 汽车",
    "house": "房 房屋", "light bulb": "灯 电灯", "laptop": "电脑", "desktop computer": "计算机 显示器", "soccer ball": "球 足球",
    "top hat": "帽 帽子", "running shoe": "鞋 鞋子", "hiking boot": "靴 靴子", "backpack": "背包", "wine glass": "酒 酒杯",
    "skull": "骷髅", "ghost": "幽灵", "fairy": "仙女 仙子", "detective": "间谍", "ninja": "刺客", "mage": "巫师 魔法师 女巫",
    "llama": "羊驼", "mouse": "鼠 老鼠", "koala": "树袋熊", "octopus": "八爪鱼", "jellyfish": "海蜇", "squid": "墨鱼 鱿鱼",
    "oyster": "生蚝", "cricket": "蛐蛐", "sunflower": "太阳花", "tomato": "番茄", "potato": "马铃薯", "avocado": "牛油果",
    "kiwi fruit": "奇异果", "leafy green": "生菜 青菜", "cut of meat": "牛排 肉", "bacon": "熏肉", "cheese wedge": "起司",
    "ice cream": "雪糕", "soft ice cream": "霜淇淋", "cookie": "曲奇", "spoon": "勺 勺子", "cup with straw": "果汁 汽水 可乐",
    "compass": "罗盘", "bus": "大巴 公交车", "taxi": "的士", "sailboat": "小船 游艇", "aerial tramway": "缆车",
    "fireworks": "烟火 焰火", "firecracker": "鞭炮", "nesting dolls": "娃娃", "teddy bear": "玩具熊 毛绒玩具", "trophy": "冠军杯",
    "chess pawn": "国际象棋", "coat": "夹克", "musical keyboard": "钢琴", "package": "箱子 盒子", "postbox": "信箱",
    "dagger": "剑 短剑 短刀", "pick": "锄头", "hotel": "旅馆", "elevator": "升降机", "toilet": "厕所", "basket": "篮子",
    "lipstick": "口红", "bottle with popping cork": "瓶子 酒瓶", "tiger": "虎", "leopard": "豹", "elephant": "象",
    "rabbit": "兔 小兔", "monkey": "猴", "duck": "鸭", "goose": "鹅", "horse": "马", "bear": "熊", "snake": "蛇",
    "ram": "羊 绵羊", "pig": "猪", "chicken": "鸡", "man": "男生", "woman": "女生", "high voltage": "闪电", "fire": "火",
    "dress": "裙子", "closed book": "书本", "books": "书", "cow face": "牛", "castle": "城堡", "snowman": "雪人", "performing arts": "面具", "crown": "王冠",
}  # fmt: skip


@dataclass(frozen=True)
class NounNames:
    """One noun."""

    name: str
    """As the captions have it."""
    also: list[str]
    chinese: list[str]


@cache
def noun_names() -> list[NounNames]:
    """All of them, in Unicode's order."""
    return [NounNames(name, also, chinese) for name, also, chinese in read_json(FILE)]


@cache
def by_chinese() -> dict[str, str]:
    """Which noun a Chinese word stands for."""
    return {word: noun.name for noun in noun_names() for word in noun.chinese}


@cache
def by_english() -> dict[str, str]:
    """Which noun an English word or phrase stands for."""
    return {word: noun.name for noun in noun_names() for word in (noun.name, *noun.also)}


def make(packages: Path) -> list[tuple[str, list[str], list[str]]]:
    """Name, other English words and Chinese words of each noun; a word belongs to one noun alone."""
    from engine.diffusion.emoji import NAMES_PACKAGE, PACKAGES, Noun, read_nouns
    from engine.diffusion.nouns import COMMON

    nouns = read_nouns(packages / PACKAGES[NAMES_PACKAGE].file)
    names = {noun.english for noun in nouns}
    best: dict[str, tuple[tuple[bool, ...], Noun]] = {}
    for noun in nouns:
        for word in {noun.chinese, *noun.chinese_tags}:
            if (len(word) > 1 and set(word) & (set(noun.chinese) - _SHOWS_NOTHING)) or word == noun.chinese:
                rank = word == noun.chinese, noun.english in COMMON, noun.chinese.endswith(word)
                if word not in best or rank > best[word][0]:
                    best[word] = rank, noun
    words = {word: noun.english for word, (_, noun) in best.items()}
    words |= {word: name for name, by_hand in _CHINESE.items() if name in names for word in by_hand.split()}
    return [
        (
            noun.english,
            [word for word in _ENGLISH.get(noun.english, "").split("|") if word and word not in names],
            sorted(word for word, name in words.items() if name == noun.english),
        )
        for noun in nouns
    ]


if __name__ == "__main__":
    import json

    lines = (json.dumps(noun, ensure_ascii=False, separators=(",", ":")) for noun in make(Path(sys.argv[1])))
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
