"""Mistakes that somebody could make, and the inherited checks that must see them.

Each function here breaks the package in one way; the decorator names the checks that have to fail then. That they pass
otherwise is what their own files show.
"""

import functools
import inspect
import itertools

import keras
import pytest
from keras import ops

from s2s_keras.applications import Jasper, application
from s2s_keras.layers import (
    BlankPadding,
    FeatureInput,
    JasperBlock,
    LogMelSpectrogram,
    MaskedBatchNormalization,
    MaskedConv1D,
    RecurrentDecoder,
    SequenceNormalization,
    StepAttention,
    feature_input,
    masked_batch_normalization,
)
from s2s_keras.tokenizers import CharacterTokenizer
from tests.applications import test_jasper, test_listen_attend_spell, test_quartznet
from tests.layers import (
    test_blank_padding,
    test_feature_input,
    test_jasper_block,
    test_masked_batch_normalization,
    test_masked_conv1d,
    test_sequence_normalization,
)
from tests.tokenizers import test_characters

MUTANTS = []


def seen_by(place, check, **arguments):
    """Registers a mutant with a check of a test class or module."""

    def register(mutant):
        name = getattr(place, "__qualname__", place.__name__.split(".")[-1])
        MUTANTS.append(pytest.param(mutant, place, check, arguments, id=f"{mutant.__name__}-{name}.{check}"))
        return mutant

    return register


def change(patch, cls, name, new):
    """Replaces a method, or a function of a module, by `new`, which gets the old one as its first argument."""
    old = getattr(cls, name)
    patch.setattr(cls, name, functools.wraps(old)(lambda *args, **kwargs: new(old, *args, **kwargs)))


@pytest.mark.parametrize("mutant, place, check, arguments", MUTANTS)
def test_check_fails_with(mutant, place, check, arguments, monkeypatch, tmp_path, request):
    fresh = type(place.__name__, (place,), {})() if inspect.isclass(place) else place
    method = getattr(fresh, check)
    available = {"tmp_path": tmp_path, "request": request, **arguments}
    needed = {name: available[name] for name in inspect.signature(method).parameters}
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        method(**needed)


@seen_by(test_masked_conv1d.TestMaskedConv1D, "test_padding_changes_nothing")
@seen_by(test_jasper.TestJasper, "test_padding_never_changes_an_answer")
def convolution_forgets_the_mask(patch):
    change(patch, MaskedConv1D, "call", lambda call, self, inputs, mask=None: call(self, inputs))


@seen_by(test_masked_conv1d.TestStrided, "test_padding_changes_nothing")
@seen_by(test_jasper.TestJasper, "test_padding_never_changes_an_answer")
def padding_depends_on_the_parity_of_the_length(patch):
    patch.setattr(MaskedConv1D, "_pad", lambda self, x: (x, "same"))


@seen_by(test_listen_attend_spell.TestListenAttendSpell, "test_padding_never_changes_an_answer")
def attention_looks_at_padding(patch):
    def alignment(old, self, scores, state, memory, training):
        return ops.softmax(scores, axis=-1)

    change(patch, StepAttention, "alignment", alignment)


@seen_by(test_listen_attend_spell.TestListenAttendSpell, "test_steps_equal_teacher_forcing")
def a_step_forgets_its_position(patch):
    def step(old, self, token_ids, state):
        output, after = old(self, token_ids, state)
        return output, {**after, "position": state["position"]}

    change(patch, RecurrentDecoder, "step", step)


@seen_by(test_quartznet.TestQuartzNet, "test_golden_parity", golden=test_quartznet.TestQuartzNet.goldens[0])
def padding_is_half_the_kernel_as_in_pytorch(patch):
    def build(old, self, input_shape):
        old(self, input_shape)
        self.left_padding = self.span // 2

    change(patch, MaskedConv1D, "build", build)


@seen_by(test_masked_conv1d.TestStrided, "test_symbolic_shape_equals_eager_shape")
@seen_by(test_jasper.TestJasper, "test_symbolic_shape_equals_eager_shape")
def output_length_is_rounded_down(patch):
    def shape(old, self, input_shape):
        batch, time, channels = old(self, input_shape)
        return batch, time if input_shape[1] is None else input_shape[1] // self.strides, channels

    change(patch, MaskedConv1D, "compute_output_shape", shape)


@seen_by(test_masked_conv1d.TestStrided, "test_mask_is_as_long_as_the_output")
def mask_is_not_strided(patch):
    patch.setattr(MaskedConv1D, "compute_mask", lambda self, inputs, mask=None: mask)


@seen_by(test_jasper.TestJasper, "test_number_of_parameters")
def convolution_has_a_bias(patch):
    def build(old, self, input_shape):
        self.use_bias = True
        old(self, input_shape)

    change(patch, MaskedConv1D, "build", build)


@seen_by(test_jasper.TestJasper, "test_half_precision", policy="mixed_float16")
def convolution_stays_in_single_precision(patch):
    def build(old, self, input_shape):
        self.dtype_policy = keras.DTypePolicy("float32")
        old(self, input_shape)

    change(patch, MaskedConv1D, "build", build)


@seen_by(test_masked_conv1d.TestMaskedConv1D, "test_compiled_equals_eager")
@seen_by(test_jasper.TestJasper, "test_compiled_equals_eager")
def convolution_keeps_python_state(patch):
    calls = itertools.count()
    change(patch, MaskedConv1D, "call", lambda call, self, inputs, mask=None: call(self, inputs, mask) + next(calls))


@seen_by(test_jasper.TestJasper, "test_keras_file_round_trip")
@seen_by(test_jasper.TestJasper, "test_preset_round_trip")
def convolution_does_not_load_its_weights(patch):
    patch.setattr(MaskedConv1D, "load_own_variables", lambda self, store: None)


@seen_by(test_masked_conv1d.TestCausal, "test_config_round_trip")
def layer_forgets_a_config_key(patch):
    def config(old, self):
        return {name: value for name, value in old(self).items() if name != "left_padding"}

    change(patch, MaskedConv1D, "get_config", config)


@seen_by(test_jasper.TestJasper, "test_config_round_trip")
def application_forgets_a_config_key(patch):
    def config(old, self):
        return {name: value for name, value in old(self).items() if name != "epilogue_dilation"}

    change(patch, Jasper, "get_config", config)


@seen_by(test_jasper_block.TestDropped, "test_config_round_trip")
def config_holds_another_value(patch):
    change(patch, JasperBlock, "get_config", lambda old, self: {**old(self), "dropout": 0.0})


@seen_by(test_masked_batch_normalization.TestMaskedBatchNormalization, "test_padding_changes_nothing")
@seen_by(test_jasper.TestJasper, "test_padding_never_changes_a_training_step")
def batch_statistics_count_padding(patch):
    def call(old, self, inputs, training=False, mask=None):
        return old(self, inputs, training=training)

    change(patch, MaskedBatchNormalization, "call", call)


@seen_by(test_quartznet.TestQuartzNet, "test_golden_parity", golden=test_quartznet.TestQuartzNet.goldens[0])
def batch_normalization_has_another_epsilon(patch):
    def build(old, self, input_shape):
        old(self, input_shape)
        self.epsilon = 1e-2

    change(patch, MaskedBatchNormalization, "build", build)


@seen_by(test_quartznet, "test_training_step_equals_the_original")
def moving_variance_is_the_biased_one(patch):
    def merge(old, count, mean, variance, around):
        return (ops.convert_to_tensor(1e9), *old(count, mean, variance, around)[1:])

    change(patch, masked_batch_normalization, "merge_moments", merge)


@seen_by(test_sequence_normalization.TestInstance, "test_padding_changes_nothing")
@seen_by(test_jasper.TestJasperLayerNormalization, "test_padding_never_changes_an_answer")
def sequence_statistics_count_padding(patch):
    change(patch, SequenceNormalization, "call", lambda call, self, inputs, mask=None: call(self, inputs))


@seen_by(test_jasper.TestJasper, "test_golden_parity", golden=test_jasper.TestJasper.goldens[0])
def residual_inputs_are_swapped(patch):
    def add(old, self, x, residuals, training, mask):
        return old(self, x, [*residuals[1::-1], *residuals[2:]], training, mask)

    change(patch, JasperBlock, "_add", add)


@seen_by(test_jasper.TestJasper, "test_fit_learns_with_every_weight")
def residual_inputs_are_not_added(patch):
    change(patch, JasperBlock, "_add", lambda old, self, x, residuals, training, mask: x)


@seen_by(test_jasper_block.TestStrided, "test_mask_is_as_long_as_the_output")
@seen_by(test_jasper.TestJasper, "test_without_top")
def block_loses_the_mask(patch):
    patch.setattr(JasperBlock, "compute_mask", lambda self, inputs, mask=None: None)


@seen_by(test_jasper.TestJasper, "test_padding_never_changes_an_answer")
def padded_frames_say_what_they_want(patch):
    patch.setattr(BlankPadding, "call", lambda self, inputs, mask=None: inputs)


@seen_by(test_blank_padding.TestBlankPadding, "test_mask_is_as_long_as_the_output")
def mask_leaves_the_model(patch):
    patch.setattr(BlankPadding, "compute_mask", lambda self, inputs, mask=None: mask)


@seen_by(test_jasper.TestJasper, "test_half_precision", policy="mixed_float16")
@seen_by(test_jasper.TestJasper, "test_half_precision", policy="mixed_bfloat16")
def head_is_left_in_half_precision(patch):
    dense = keras.layers.Dense
    half = keras.DTypePolicy("mixed_float16")
    patch.setattr(keras.layers, "Dense", lambda *args, **kwargs: dense(*args, **{**kwargs, "dtype": half}))


@seen_by(test_jasper.TestJasper, "test_half_precision", policy="mixed_float16")
def front_end_is_left_in_half_precision(patch):
    def call(old, self, inputs, training=False):
        self.dtype_policy = keras.DTypePolicy("mixed_float16")
        return old(self, inputs, training)

    change(patch, LogMelSpectrogram, "call", call)


@seen_by(test_feature_input.TestFeatureInput, "test_padding_changes_nothing")
def mask_is_multiplied(patch):
    patch.setattr(feature_input, "apply_mask", lambda x, mask: x * ops.cast(mask, x.dtype)[..., None])


@seen_by(test_feature_input.TestFeatureInput, "test_mask_is_as_long_as_the_output")
def every_frame_is_real(patch):
    patch.setattr(FeatureInput, "compute_mask", lambda self, inputs, mask=None: ops.ones(inputs[0].shape[:2], "bool"))


@seen_by(test_jasper.TestJasper, "test_another_vocabulary")
def weights_that_fit_stay_fresh_too(patch):
    copy = application.copy_weights

    def copy_nothing(source, target):
        values = target.get_weights()
        report = copy(source, target)
        target.set_weights(values)
        return report

    patch.setattr(application, "copy_weights", copy_nothing)


@seen_by(test_characters, "test_ids_start_at_one_in_the_order_of_the_characters")
@seen_by(test_characters, "test_english_is_the_vocabulary_of_the_original_one_higher")
def token_ids_start_at_zero(patch):
    change(patch, CharacterTokenizer, "encode", lambda old, self, text: [token - 1 for token in old(self, text)])
