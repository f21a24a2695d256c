import json

import keras
import numpy as np
import pytest

from s2s_keras.optimizers import schedules

ks = keras.optimizers.schedules


def piecewise(p):
    scale = p.get("steps_per_epoch", 1)
    values = [p["learning_rate"], *(p["learning_rate"] * rate for rate in p["decay_rates"])]
    return ks.PiecewiseConstantDecay([b * scale for b in p["boundaries"]], values)


def begin(decay, p):
    """The table in the module docstring: what `begin_decay_at` and `warmup_steps` become."""
    hold, warmup = p.get("begin_decay_at", 0), p.get("warmup_steps", 0)
    if hold < warmup:
        return schedules.WarmUp(decay, warmup, overlap=True)
    return schedules.WarmUp(decay, warmup, hold - warmup) if hold else decay


def exponential(p):
    decay = ks.ExponentialDecay(p["learning_rate"], p["decay_steps"], p["decay_rate"], p["use_staircase_decay"])
    return schedules.WarmUp(decay, hold_steps=p["begin_decay_at"], minimum=p["min_lr"])


BUILDERS = {
    "fixed_lr": lambda p: schedules.WarmUp(p["learning_rate"]),
    "piecewise_constant": piecewise,
    "exp_decay": exponential,
    "poly_decay": lambda p: begin(
        ks.PolynomialDecay(p["learning_rate"], p["decay_steps"], p.get("min_lr", 0.0), p["power"]), p
    ),
    "cosine_decay": lambda p: begin(ks.CosineDecay(p["learning_rate"], p["decay_steps"], p.get("min_lr", 0.0)), p),
    "transformer_policy": lambda p: schedules.TransformerDecay(
        p["learning_rate"] * p.get("coefficient", 1.0), p["d_model"], p["warmup_steps"], p.get("max_lr")
    ),
    "inv_poly_decay": lambda p: schedules.InversePolynomialDecay(
        p["learning_rate"], p["decay_steps"], p["min_lr"], p["power"]
    ),
}
POLICIES = (
    "fixed_lr piecewise_steps piecewise_epochs exp_smooth exp_staircase poly_p2 poly_begin poly_warmup "
    "poly_warmup_overlap cosine cosine_minlr cosine_warmup cosine_power3_ignored transformer transformer_maxlr "
    "transformer_coef inv_poly inv_poly_begin_warmup_ignored"
).split()


@pytest.mark.parametrize("policy", POLICIES)
def test_equals_the_original(shared, policy):
    folder = shared / "golden" / "lr_policies"
    config = json.loads((folder / "config.json").read_text())
    assert sorted(config) == sorted(POLICIES)
    values = np.load(folder / "values.npz")
    schedule = BUILDERS[config[policy]["fn"]](config[policy]["params"])
    got = [float(schedule(int(step))) for step in values["steps"]]
    # float32 cosines near their zero differ in the last digits of the largest value, not of the result
    np.testing.assert_allclose(got, values[policy], rtol=2e-5, atol=1e-7 * values[policy].max())


@pytest.mark.parametrize(
    "schedule, expected",
    [
        (schedules.TransformerDecay(2.0, 512, 8000), {0: 1.23526e-7, 4000: 4.94229e-4, 8000: 9.8815e-4}),
        (schedules.TransformerDecay(9.0, 512, 4000, 1e-3), {500: 7.8769e-4, 1000: 1e-3, 100_000: 1e-3}),
        (schedules.WarmUp(ks.PolynomialDecay(0.02, 1000, 1e-5, 2.0), 100, overlap=True), {50: 9.025e-3 + 5e-7}),
        (
            schedules.WarmUp(ks.ExponentialDecay(1e-3, 20000, 0.1), hold_steps=45000, minimum=1e-5),
            {0: 1e-3, 45000: 1e-3, 65000: 1e-4, 100_000: 1e-5},
        ),
    ],
)
def test_equals_values_measured_on_the_original(schedule, expected):
    for step, rate in expected.items():
        assert float(schedule(step)) == pytest.approx(rate, rel=1e-4)


def test_warm_up_of_a_constant_and_plateau():
    assert [float(schedules.WarmUp(0.5, 4)(step)) for step in range(6)] == [0.0, 0.125, 0.25, 0.375, 0.5, 0.5]
    decay = schedules.WarmUp(ks.PolynomialDecay(1.0, 4, 0.0), warmup_steps=2, hold_steps=3, minimum=0.5)
    assert [float(decay(step)) for step in (0, 1, 2, 4, 5, 6, 7, 100)] == [0.0, 0.5, 1.0, 1.0, 1.0, 0.75, 0.5, 0.5]


SCHEDULES = [
    schedules.WarmUp(ks.CosineDecay(0.1, 7), 3, 2, 0.01),
    schedules.WarmUp(0.3, 3, overlap=True),
    schedules.TransformerDecay(0.7, 64, 5, 0.02),
    schedules.InversePolynomialDecay(0.2, 9, 0.01, 1.5),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_config_travels_through_json_and_an_optimizer(schedule):
    optimizer = keras.optimizers.SGD(schedule)
    config = json.loads(json.dumps(keras.optimizers.serialize(optimizer)))
    copy = keras.optimizers.deserialize(config)._learning_rate
    assert type(copy) is type(schedule) and copy.get_config() == schedule.get_config()
    assert [float(copy(step)) for step in range(12)] == [float(schedule(step)) for step in range(12)]


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: schedules.WarmUp(0.1, -1), "must not be negative"),
        (lambda: schedules.WarmUp(0.1, 3, hold_steps=2, overlap=True), "nothing to hold"),
        (lambda: schedules.TransformerDecay(warmup_steps=0), "at least 1"),
        (lambda: schedules.InversePolynomialDecay(0.1, 10, 0.2), "end_learning_rate <= initial"),
        (lambda: schedules.InversePolynomialDecay(0.1, 10, 0.0), "0 < end_learning_rate"),
    ],
)
def test_impossible_arguments_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
