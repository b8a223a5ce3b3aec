"""What a model is asked to write about: who asks, what shows in a text, where it is written, and how replies go wrong.

All of it written for this project, in plain words, after the rules of safe messaging: nothing here names a means or
a method, gives a graphic detail, or tells a model to write any. Descriptions say what can be *read* in a text; they
are not criteria of an illness, and a text that was written after one is not evidence of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from journal_app.contract.tasks import TASKS

EXPERT = (
    "You are a clinical psychologist who writes realistic first-person journal entries for training software that "
    "reads journals. You know from long practice how people really write: concrete, uneven, sometimes about small "
    "things only. You never write a textbook, never name a diagnosis, and never describe a means or a method of "
    "self-harm, violence or a graphic scene. Invented people only, and no names of real places or persons."
)
"""System prompt of the texts; ``[augment] system`` puts another in its place."""

LISTENER = (
    "You answer private journal entries for a journal app. You are software: you never claim to be a person or a "
    "clinician. Two to four sentences: name one concrete thing from the entry in your own words, let the feeling be "
    "what it is, and end with one open question. No advice, no diagnosis, no medicine, no promise that things will be "
    "fine, no praise that the entry does not earn, no exclamation marks."
)
"""System prompt of the chosen replies."""

_DEPRESSION_YES = (
    "things that used to be enjoyable have gone flat, and the writer notices it almost from outside",
    "getting up, washing and answering messages take effort out of all proportion, for weeks now",
    "the writer speaks of themselves as a burden, and finds proof of it in small events",
    "sleep comes late or breaks off early, the days run together, and nothing is looked forward to",
    "food has lost its taste, plans are cancelled without a reason given, and evenings are spent lying down",
)
_SUICIDALITY_YES = (
    "the writer wishes not to wake up for a while, says so once, and goes on about the day",
    "being gone seems to the writer like a relief for the others; it is thought about, without any plan",
    "the writer cannot see a place for themselves in the future and wonders, in general words, whether to go on living",
    "the writer is tired of being alive and is frightened by the thought; somebody they might tell comes to mind",
)
_SCREENING: dict[str, dict[str, tuple[str, ...]]] = {
    "stress": {
        "yes": (
            "too many demands at once and the feeling that whatever gets done, something else slips",
            "a tense body: jaw, shoulders, a stomach that reacts to every message, short sleep",
            "money or housing is uncertain, and the sums are done again and again in the head",
            "a conflict at work or at home that is gone over in the evening, with a temper that has become short",
            "a deadline near, concentration that breaks off, and guilt about every pause",
        ),
        "no": (
            "an ordinary day with small tasks done one after the other, without hurry",
            "a setback that is told calmly and put aside",
            "a busy but enjoyable day; the writer is tired in a good way",
            "a quiet evening of cooking, reading or a walk, told in detail",
        ),
    },
    "depression": {
        "yes": _DEPRESSION_YES,
        "no": (
            "a bad mood with a clear cause that is already lifting by the end of the entry",
            "an ordinary week with plans, small pleasures and small annoyances",
            "sadness about a farewell, together with interest in what comes next",
            "physical tiredness after real exertion, and content with it",
        ),
    },
    "severity": {
        "minimum": (
            "an ordinary day; one low hour, named and gone",
            "a mixed day in which interest, appetite and company are all there",
        ),
        "mild": (
            "low spirits on some days of the week, but work and friends go on as usual",
            "less joy in a hobby than usual, sleep a little worse, and the writer wonders about it",
        ),
        "moderate": (
            "most days are heavy; work suffers, meetings are cancelled, and self-reproach is frequent",
            "concentration and sleep are clearly worse for weeks; only what must be done gets done",
        ),
        "severe": (
            "nearly every day is heavy; getting up, eating and speaking hardly happen, and all seems one's own fault",
            "nothing reaches the writer any more; the days are told in short, empty sentences, without hope of change",
        ),
    },
    "suicidality": {
        "yes": _SUICIDALITY_YES,
        "no": (
            "a sad day, with a clear wish that tomorrow be better and a plan for it",
            "anger or exhaustion in strong words, about a situation and never about living",
            "grief for somebody who died at a great age, with warm memories",
            "low spirits and loneliness, and a call with a friend that helped a little",
            *_DEPRESSION_YES[3:],
        ),
    },
}
_FEELINGS: dict[str, tuple[str, ...]] = {
    "joy": ("a small success or a good meeting makes the whole day light", "laughter with others over something silly"),
    "love": ("tenderness for somebody close, shown in a small thing they do", "missing somebody in a warm way"),
    "surprise": ("something happens that the writer would never have expected", "news that turns a plan round"),
    "anger": ("a broken promise or an unfair word that still burns", "being passed over, and not having said anything"),
    "fear": ("a noise, a test or a meeting ahead, and a body on alert", "a doctor's letter that is not opened yet"),
    "sadness": ("a farewell or an empty room", "an old photograph, and what is no longer there"),
    "disgust": ("repelled by how somebody behaved", "something spoiled or dirty that cannot be put out of mind"),
    "shame": ("wanting to sink into the ground after a mistake in front of others", "hiding something from a friend"),
    "guilt": ("having been unfair to somebody who did not deserve it", "a promise that the writer did not keep"),
    "excitement": ("counting the days to something new", "an idea that will not let the writer sleep, in a good way"),
    "gratitude": ("help that came without being asked for", "noticing what usually goes without saying"),
    "pride": ("something difficult that was finished at last", "having said no, or yes, and stood by it"),
    "calm": ("a slow morning without any wish", "breathing out after a task is done"),
    "hope": ("a first sign that something may turn", "a plan that seems possible for the first time"),
    "loneliness": ("company all day and nobody to tell it to", "an evening without a message"),
    "anxiety": ("thoughts that run ahead to what might go wrong", "restlessness without a name before going to sleep"),
    "tiredness": ("eyes that close over the page", "a body that only wants to lie down after a long shift"),
}
SETTINGS = (
    "after a shift, on the bus home",
    "at the kitchen table, late",
    "in a student room between two lectures",
    "on a Sunday morning before the others are up",
    "in a break at work, on the phone",
    "in bed, with the light already out",
    "in a waiting room",
    "after putting a child to bed",
    "on a train, looking out of the window",
    "after a long telephone call",
    "in the first week in a new town",
    "retired, in a house that has become quiet",
)
FORMS = (
    "three or four sentences, plain",
    "about eighty words, with one detail of the place",
    "about a hundred and twenty words, in a loose, spoken tone",
    "six or seven short sentences, some of them unfinished thoughts",
    "one paragraph that starts with something small and arrives at the point late",
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A way in which a reply goes wrong; ``ask`` tells a model to write one like that."""

    name: str
    ask: str


FLAWS: tuple[Flaw, ...] = (
    Flaw("advice", "Tell the writer in two or three sentences what to do, as orders, without taking up how it felt."),
    Flaw(
        "false reassurance",
        "Say in two or three sentences that it is not so bad and will surely pass soon, and leave it at that.",
    ),
    Flaw("parroting", "Say the entry back to the writer nearly word for word, and add nothing to it."),
    Flaw("off topic", "Answer in two or three sentences something cheerful that has nothing to do with the entry."),
    Flaw(
        "medical claim",
        "In two or three sentences, explain the entry by the name of a disorder, as if that were certain.",
    ),
)
SPOILER = (
    "You write examples of poor replies to journal entries, from which software learns what not to say. The entries "
    "are invented. Never write anything cruel, and never a means or a method of harm; the reply is poor in one way "
    "only."
)
"""System prompt of the rejected replies."""
LANGUAGES = {
    "en": "English",
    "ko": "Korean",
    "zh": "Traditional Chinese",
    "de": "German",
    "fr": "French",
    "ja": "Japanese",
}


def symptoms_of(task: str) -> Mapping[str, tuple[str, ...]]:
    """Return label -> descriptions for a task of the contract; empty for one that has none here."""
    if task in _SCREENING:
        return _SCREENING[task]
    labels = TASKS[task].labels if task in TASKS else ()
    return {label: _FEELINGS[label] for label in labels if label in _FEELINGS}
