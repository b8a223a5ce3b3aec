"""What an encoder learns from: labels, teachers' probabilities, and the loss of both."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from journal_app.contract.tasks import TASKS
from trainer import mixture
from trainer.config import DIARY, FinetuneConfig
from trainer.corpora.files import Row
from trainer.mixture import Item, Losses

pytestmark = pytest.mark.torch

CONFIG = FinetuneConfig(label_smoothing=0.0, balance=0.0)


def item(**known: object) -> Item:
    return Item("emotion", [[1, 2]], **known)  # type: ignore[arg-type]


def logits(task: str, *values: float) -> dict[str, torch.Tensor]:
    return {task: torch.tensor([values], dtype=torch.float32)}


def test_labels_of_one_text_in_several_sets_come_together() -> None:
    rows = [
        Row("stress", "I slept at noon.", "written", "labelled", "no"),
        Row("feelings", "I slept at noon.", "written", "labelled", "", ("tiredness",), ("joy",)),
        Row("themes", "I slept at noon.", "written", "labelled", "", ("sleep",), ("work",)),
        Row("emotion", "What a day", "emotion", "published", "joy"),
    ]
    items, texts = mixture.items_of(rows, ("emotion", "stress", "feelings", "themes"))
    assert texts == ["What a day", "I slept at noon."]
    joy, slept = items
    assert (joy.pool, slept.pool) == ("emotion", DIARY)
    assert slept.choice == {"stress": 1}
    feelings, themes = TASKS["feelings"], TASKS["themes"]
    assert slept.marks["feelings"] == {feelings.index("tiredness"): 1.0, feelings.index("joy"): 0.0}
    assert slept.marks["themes"] == {themes.index("sleep"): 1.0, themes.index("work"): 0.0}
    assert joy.marks["feelings"][feelings.index("joy")] == 1.0
    assert joy.marks["feelings"][feelings.index("sadness")] == 0.0


def test_a_set_with_labels_of_its_own_is_learned_only_where_it_is_asked_for() -> None:
    rows = [Row("goemotions", "Thanks, all", "goemotions", "auxiliary", "", ("gratitude",), ("joy",))]
    assert mixture.items_of(rows, ("feelings",)) == ([], [])
    (found,), _ = mixture.items_of(rows, ("feelings", "goemotions"))
    assert found.pool == "feelings"
    assert found.marks["goemotions"][mixture.labels_of("goemotions").index("gratitude")] == 1.0


def test_a_label_costs_its_negative_log_likelihood() -> None:
    scores = (2.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    batch = [item(choice={"emotion": 0})]
    loss = Losses.of(batch, ("emotion",), CONFIG)(logits("emotion", *scores), batch)
    assert float(loss) == pytest.approx(math.log(math.exp(2) + 5) - 2, abs=1e-5)


def test_teachers_alone_teach_what_nobody_labelled() -> None:
    soft = np.array([0.7, 0.3], dtype=np.float32)
    batch = [item(soft={"stress": soft})]
    loss = Losses.of(batch, ("stress",), CONFIG)
    own, other = loss(logits("stress", math.log(0.7), math.log(0.3)), batch), loss(logits("stress", 0.0, 0.0), batch)
    entropy = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3))
    assert float(own) == pytest.approx(entropy, abs=1e-5), "least where the student says what the teacher says"
    assert float(other) == pytest.approx(math.log(2), abs=1e-5)


@pytest.mark.parametrize("taught", [0.0, 0.25, 1.0])
def test_label_and_teacher_share_the_weight(taught: float) -> None:
    soft = np.array([0.0, 1.0], dtype=np.float32)
    batch = [item(choice={"stress": 0}, soft={"stress": soft})]
    loss = Losses.of(batch, ("stress",), replace(CONFIG, taught=taught))(logits("stress", 1.0, 0.0), batch)
    right = math.log(1 + math.exp(-1.0))
    assert float(loss) == pytest.approx((1 - taught) * right + taught * (right + 1.0), abs=1e-5)


def test_several_labels_mix_marks_and_teacher_and_leave_the_unknown_out() -> None:
    labels = len(TASKS["feelings"].labels)
    zero = torch.zeros(1, labels, requires_grad=True)
    batch = [item(marks={"feelings": {0: 1.0}})]
    Losses.of(batch, ("feelings",), CONFIG)({"feelings": zero}, batch).backward()
    assert zero.grad is not None
    assert (zero.grad[0] != 0).nonzero().flatten().tolist() == [0]
    zero.grad = None
    soft = np.full(labels, 0.5, dtype=np.float32)
    batch = [item(marks={"feelings": {0: 1.0}}, soft={"feelings": soft})]
    Losses.of(batch, ("feelings",), replace(CONFIG, taught=0.5))({"feelings": zero}, batch).backward()
    assert zero.grad[0, 0] < 0, "the label pulls half of the way"
    assert torch.allclose(zero.grad[0, 1:], torch.zeros(labels - 1), atol=1e-7), "at one half the teacher is content"


def test_class_weights_follow_the_power() -> None:
    batch = [item(choice={"stress": 0})] * 9 + [item(choice={"stress": 1})]
    flat = Losses.of(batch, ("stress",), CONFIG).weights["stress"]
    root = Losses.of(batch, ("stress",), replace(CONFIG, balance=0.5)).weights["stress"]
    assert flat.tolist() == pytest.approx([1.0, 1.0])
    assert float(root[1] / root[0]) == pytest.approx(3.0)
    assert float((root * torch.tensor([9.0, 1.0])).sum()) == pytest.approx(10.0)


def test_pools_come_by_weight_and_size() -> None:
    items = [Item("emotion", [[1]]) for _ in range(64)] + [Item(DIARY, [[1]]) for _ in range(16)]
    config = replace(CONFIG, steps=60, batch=4, weights={DIARY: 1.0})
    plan = mixture.schedule(items, config, 0)
    pools = Counter(items[batch[0][0]].pool for batch in plan)
    assert pools == {"emotion": 40, DIARY: 20}, "root of the size: 8 to 4"
    flat = Counter(items[b[0][0]].pool for b in mixture.schedule(items, replace(config, power=0.0), 0))
    assert flat == {"emotion": 30, DIARY: 30}
    none = Counter(items[b[0][0]].pool for b in mixture.schedule(items, replace(config, weights={DIARY: 0.0}), 0))
    assert none == {"emotion": 60}


def test_divergence_is_nothing_between_equals_and_grows() -> None:
    a = {"stress": torch.tensor([[1.0, 0.0]]), "feelings": torch.zeros(1, 16)}
    assert float(mixture.divergence(a, a)) == 0.0
    near = {"stress": torch.tensor([[0.8, 0.0]]), "feelings": torch.zeros(1, 16)}
    far = {"stress": torch.tensor([[-3.0, 0.0]]), "feelings": torch.ones(1, 16)}
    assert 0 < float(mixture.divergence(a, near)) < float(mixture.divergence(a, far))
    assert float(mixture.divergence(a, far)) == pytest.approx(float(mixture.divergence(far, a)))
