"""Answers that open with a refusal.

Not here: moderation that ends an answer (finish-other). Invariant: only the opening is looked at; a refusal later on is
an answer's own business. The list need not be complete: both sides are read by it alike.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.signals.features import Read
from proxy.signals.signal import PAIR_TOLERANCE, Group, Swap

_OPENING: Final = 96
_CANNOT: Final = r"(?:can't|cannot|won't|must decline|(?:'m|am|'re|are) (?:un|not )able)"
_DO: Final = r"(?:be able to )?(?:help|assist|comply|provide|fulfill?|answer|discuss|support|create|share)"
_REFUSALS: Final = (
    r"(?:(?:i|we)(?:'m| am|'re| are))?\s*(?:very|so|really|deeply)?\s*sorry\W*(?:but)?\s*(?:i|we)\s*" + _CANNOT,
    r"(?:unfortunately\W*)?(?:i|we)\s*" + _CANNOT + r"\s*(?:to )?" + _DO,
    r"(?:很|非常|十分)?(?:抱歉|对不起|對不起|遗憾|遺憾)\W*(?:但|但是)?我(?:无法|無法|不能|没法|不便)",
    r"我(?:无法|無法|不能)(?:回答|提供|协助|協助|帮助|幫助|满足|滿足)",
    r"lo siento,? (?:pero )?no puedo",
    r"(?:je suis )?désolée?,? (?:mais )?je ne (?:peux|suis)",
    r"(?:es )?tut mir (?:sehr )?leid,? (?:aber )?(?:ich|das|dabei)",
    r"desculpe,? (?:mas )?(?:eu )?não posso",
    r"mi dispiace,? (?:ma )?non posso",
    r"(?:извините|простите|к сожалению),? (?:но )?я не могу",
    r"申し訳(?:ありません|ございません)",
    r"죄송(?:합니다|하지만)",
)
_REFUSAL: Final = re.compile(r"\W*(?:sorry, )?(?:" + "|".join(_REFUSALS) + ")")


def _refuses(read: Read) -> bool | None:
    if not read.ended:
        return None
    opening = (read.content or "")[:_OPENING].lower().replace("\u2019", "'")
    return _REFUSAL.match(opening) is not None


REFUSAL = Swap(
    name="refusal",
    has=_refuses,
    unit="difference of shares",
    group=Group.REST,
    tolerance=PAIR_TOLERANCE,
    finds="a moderation layer, a system prompt of the vendor's own",
    source="K2.6 host requirement R4: no system prompt of the host's own",
)
