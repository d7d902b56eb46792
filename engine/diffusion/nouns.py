"""Which emoji the starter picture model learns: things a person would ask for by one plain noun.

Whole groups of Unicode's list are taken and what looks like something else is left out: clock faces, flags, skin tones, men
and women of the same trade, the many faces, signs and symbols. The rest of a group is taken one by one.
"""

import re

WHOLE_GROUPS = {
    *range(34, 49),  # animals, plants, food, drink, dishes
    50, 51, 53,  # mountains, buildings, places
    *range(54, 58),  # what drives, swims, flies
    60, 61, 62, 63, 64, 65,  # festivals, medals, sports, games, crafts, clothes
    67, 68, 69, 70, 71, 73, 75,  # music, phones, computers, cameras, money, pens
    78, 79, 80, 81,  # tools, science, medicine, household
}  # fmt: skip
"""Numbers of Unicode's subgroups, as emojibase has them."""

ONE_BY_ONE = set(
    """
    smiling face|smiling face with sunglasses|smiling face with heart-eyes|face with tears of joy|crying face|angry face
    sleeping face|thinking face|winking face|nerd face|cowboy hat face|partying face|exploding head|skull|ghost|alien|robot
    clown face|pile of poo|ogre|goblin|red heart|broken heart|blue heart|green heart|speech balloon|collision|thumbs up
    thumbs down|clapping hands|handshake|victory hand|waving hand|flexed biceps|leg|foot|ear|nose|brain|lungs|tooth|bone|eye
    eyes|tongue|mouth|anatomical heart|baby|boy|girl|man|woman|old man|old woman|astronaut|firefighter|police officer|cook
    farmer|detective|ninja|construction worker|prince|princess|Santa Claus|superhero|mage|fairy|vampire|mermaid|genie|zombie
    skier|snowboarder|ballet dancer|baby angel|footprints|church|mosque|globe showing Americas|compass|world map
    hourglass done|watch|alarm clock|stopwatch|mantelpiece clock|full moon|crescent moon|sun|sun with face|ringed planet|star
    shooting star|cloud|sun behind cloud|cloud with rain|cloud with snow|cloud with lightning|tornado|rainbow|umbrella
    umbrella with rain drops|high voltage|snowflake|snowman|comet|fire|droplet|water wave|thermometer|megaphone|bell
    postal horn|loudspeaker|books|closed book|open book|notebook|newspaper|scroll|bookmark|label|envelope|package|postbox
    calendar|clipboard|pushpin|paperclip|straight ruler|triangular ruler|scissors|wastebasket|briefcase|file cabinet
    file folder|bar chart|locked|unlocked|key|old key|coffin|headstone|moai|cigarette|funeral urn|nazar amulet
    """.strip().replace("\n", "|").split("|")
)  # fmt: skip
ONE_BY_ONE = {name.strip() for name in ONE_BY_ONE}

LEFT_OUT = re.compile(
    "oncoming|facing|guide dog|service dog|two-hump camel|^ox$|^cow$|water buffalo|^rat$|^ewe$|pig nose|^dodo$|^wing$|black bird|"
    "hatching|orca|^spouting|^rosette|wilted|leaf fluttering|empty nest|brown mushroom|root vegetable|^melon|^lime$|"
    "clinking|kitchen knife|mate$|pouring|beverage box|landslide|mount fuji|national park|derelict|love hotel|post office|"
    "^houses|house with garden|japanese castle|department|^foggy|sunrise|cityscape|^bridge|hot springs|railway car|high-speed|light rail|"
    "^station|^tram$|^mountain railway|^train$|^metro|sport utility|wheelchair|motorway|vertical traffic|^construction|^ferry|"
    "small airplane|airplane |^seat$|suspension|mountain cableway|pine decoration|ceremony|reminder|^ticket$|military medal|place medal|"
    "softball|rugby|in hole|running shirt|field hockey|lacrosse| suit$|^joker|mahjong|flower playing|bikini|^briefs|"
    "woman’s clothes|clutch|^purse|hair pick|woman’s sandal|flat shoe|military helmet|rescue|prayer beads|notes$|musical score|level slider|"
    "control knobs|with arrow|receiver|^pager|low battery|floppy|^dvd|trackball|with flash|tilted right|yen|euro|pound|with wings|"
    "^pen$|black nib|hammer and|broken chain|^chains|white cane|^petri|drop of blood|crutch|safety pin|roll of paper|^bubbles|^hook$|^ice$|"
    "tumbler|^garlic$|^leafless|^distorted|^trombone|snowman without|^oden|flatbread|^phoenix|^badger|^boar$|^worm|^microbe|^card",
    re.IGNORECASE,
)
"""What looks like something else that is taken, has a picture nobody can tell at 64×64, or reads as a symbol."""


def is_taken(label: str, subgroup: int) -> bool:
    """Whether the emoji of this English name, in this subgroup, is one of the nouns."""
    if label in ONE_BY_ONE:
        return True
    return subgroup in WHOLE_GROUPS and not LEFT_OUT.search(label)


COMMON = tuple(
    """
    cat face|dog face|panda|penguin|frog|fish|butterfly|elephant|turtle|owl|lion|snail|octopus|red apple|banana|strawberry
    watermelon|pizza|hamburger|ice cream|birthday cake|doughnut|carrot|egg|hot beverage|house|castle|tent|rocket|airplane
    bicycle|automobile|bus|sailboat|sun|rainbow|snowman|fire|star|cloud|christmas tree|sunflower|cactus|mushroom|guitar
    soccer ball|balloon|umbrella|key|crown
    """.replace("\n", "|").split("|")
)  # fmt: skip
COMMON = tuple(name.strip() for name in COMMON if name.strip())
"""The nouns that a starter must draw; chosen once, before any was drawn."""
