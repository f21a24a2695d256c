import os

import numpy as np
import pytest
from sklearn import metrics as oracle

from s2s_keras.metrics import class_scores, confusion_matrix, detection_curve, top_k_accuracy

if os.environ["KERAS_BACKEND"] != "tensorflow":
    pytest.skip("no backend takes part: once is enough", allow_module_level=True)

RNG = np.random.default_rng(0)
CLASSES, SCORES = RNG.integers(0, 4, 200), RNG.normal(size=(200, 5)).round(1)
SCORES[np.arange(200), CLASSES] += 1.0
ANSWERS = SCORES.argmax(axis=1)


def test_confusions_and_scores_are_scikit_learns():
    matrix = confusion_matrix(CLASSES, ANSWERS, 5)
    np.testing.assert_array_equal(matrix, oracle.confusion_matrix(CLASSES, ANSWERS, labels=range(5)))
    precision, recall, f1, count = oracle.precision_recall_fscore_support(
        CLASSES, ANSWERS, labels=range(5), zero_division=np.nan
    )
    for n, score in enumerate(class_scores(matrix)):
        np.testing.assert_allclose(score, (count[n], recall[n], precision[n], np.nan_to_num(f1[n])))


def test_top_k_accuracy_is_scikit_learns():
    scores = SCORES + RNG.uniform(0, 0.01, SCORES.shape)  # no ties
    for k in (1, 2, 5):
        expected = oracle.top_k_accuracy_score(CLASSES, scores, k=k, labels=range(5))
        assert top_k_accuracy(scores, CLASSES, k) == pytest.approx(expected)


def test_detection_curve_is_scikit_learns():
    positive, scores = CLASSES == 1, SCORES[:, 1]  # with ties
    curve = detection_curve(scores, positive)
    false_alarms, hits, thresholds = oracle.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_alarm_rate, false_alarms)
    np.testing.assert_allclose(1 - curve.miss_rate, hits)
    np.testing.assert_allclose(curve.thresholds, thresholds)
    assert curve.area == pytest.approx(oracle.roc_auc_score(positive, scores))
    n = np.argmin(np.abs(curve.miss_rate - curve.false_alarm_rate))
    assert abs(curve.equal_error_rate - (curve.miss_rate[n] + curve.false_alarm_rate[n]) / 2) < 0.02


def test_wrong_input_is_one_sentence():
    with pytest.raises(ValueError, match="an answer for each"):
        confusion_matrix([0, 1], [0], 2)
    with pytest.raises(ValueError, match="from 0 to 1"):
        confusion_matrix([0, 2], [0, 1], 2)
    for positive in ([True, True], [False, False]):
        with pytest.raises(ValueError, match="positives and negatives"):
            detection_curve([0.1, 0.2], positive)
